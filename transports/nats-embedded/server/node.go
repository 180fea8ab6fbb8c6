package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const readyWithin = 30 * time.Second

// options is what ha_nats_start takes. With a config file, which is read by the server itself,
// only Debug of the others counts.
type options struct {
	Host         string `json:"host"`
	Port         int    `json:"port"`
	StoreDir     string `json:"store_dir"`
	ServerName   string `json:"server_name"`
	SyncInterval int64  `json:"sync_interval_ns"` // 0: before every acknowledgement
	Token        string `json:"token"`
	ConfigFile   string `json:"config_file"`
	MaxPayload   int32  `json:"max_payload"` // 0: the server's default
	Debug        bool   `json:"debug"`
	Private      bool   `json:"private"` // lets only this process in, see gate

	Cluster *cluster `json:"cluster"` // nil: alone
}

// node is one running server.
type node struct {
	server *server.Server
	opts   *server.Options
	lock   *os.File
	log    *logger
	gate   *gate // nil once the server listens
}

// start starts a server and waits until it takes connections.
func start(given options) (*node, error) {
	opts, err := serverOptions(given)
	if err != nil {
		return nil, err
	}
	lock, err := lockStore(opts.StoreDir)
	if err != nil {
		return nil, err
	}
	n := &node{opts: opts, lock: lock, log: newLogger()}
	if given.ConfigFile == "" {
		err = checkStore(opts.StoreDir, given.Cluster != nil)
	}
	// In a cluster others take part from the start; and within the process nobody can show a
	// certificate.
	opts.DontListen = given.Private && !isClustered(opts) && opts.TLSConfig == nil
	if err == nil && opts.DontListen {
		err = checkPort(opts)
	}
	if err == nil {
		err = n.run()
	}
	if err == nil && opts.DontListen {
		n.gate, err = openGate(n.server)
	}
	if err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

func (n *node) run() (err error) {
	if n.server, err = server.NewServer(n.opts); err != nil {
		return err
	}
	n.server.SetLoggerV2(n.log, n.opts.Debug, n.opts.Trace, false)
	go n.serve()
	return n.awaitReady()
}

func (n *node) serve() {
	defer func() {
		if problem := recover(); problem != nil {
			n.log.Fatalf("the server failed: %v", problem)
		}
	}()
	n.server.Start()
}

func (n *node) awaitReady() error {
	ready := make(chan bool, 1)
	go func() { ready <- n.server.ReadyForConnections(readyWithin) }()
	select {
	case reason := <-n.log.fatal:
		return errors.New(reason)
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("the server did not get ready within %v", readyWithin)
		}
	}
	if !n.server.JetStreamEnabled() {
		return errors.New("JetStream could not be enabled")
	}
	return nil
}

// describe tells where clients reach the server.
func (n *node) describe() started {
	answer := started{Synced: n.opts.SyncAlways, Clustered: isClustered(n.opts)}
	if address, ok := n.address().(*net.TCPAddr); ok {
		ip := address.IP
		if ip.IsUnspecified() {
			ip = net.IPv4(127, 0, 0, 1)
		}
		answer.Host, answer.Port = ip.String(), address.Port
		scheme := "nats"
		if n.opts.TLSConfig != nil {
			scheme = "tls"
		}
		answer.URL = fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(answer.Host, fmt.Sprint(answer.Port)))
	}
	return answer
}

func (n *node) address() net.Addr {
	if n.gate != nil {
		return n.gate.listener.Addr()
	}
	return n.server.Addr()
}

// stop stops the server, if it was made, and releases the store directory. A member of a
// cluster hands over what it leads.
func (n *node) stop() {
	if n.gate != nil {
		n.gate.close()
	}
	if n.server != nil {
		if isClustered(n.opts) && n.server.Running() {
			n.server.LameDuckShutdown()
		}
		n.server.Shutdown()
		n.server.WaitForShutdown()
	}
	n.log.close()
	_ = n.lock.Close()
}

func serverOptions(given options) (*server.Options, error) {
	opts := &server.Options{
		Host: given.Host, Port: given.Port, ServerName: given.ServerName,
		JetStream: true, StoreDir: given.StoreDir, Authorization: given.Token,
		MaxPayload: given.MaxPayload, SyncInterval: time.Duration(given.SyncInterval),
	}
	if given.ConfigFile != "" {
		var err error
		if opts, err = configured(given.ConfigFile); err != nil {
			return nil, err
		}
	}
	// An interval that is not set stays zero until the server is made.
	opts.SyncAlways = opts.SyncAlways || opts.SyncInterval == 0
	if given.Cluster != nil && given.ConfigFile == "" {
		given.Cluster.apply(opts)
	}
	if isClustered(opts) && opts.LameDuckDuration == 0 {
		opts.LameDuckDuration, opts.LameDuckGracePeriod = lameDuck, lameDuckGrace
	}
	opts.NoSigs, opts.NoLog = true, true
	opts.Debug = opts.Debug || given.Debug
	return opts, nil
}

func configured(file string) (*server.Options, error) {
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if !opts.JetStream {
		return nil, fmt.Errorf("%s: JetStream must be enabled", file)
	}
	if opts.StoreDir == "" {
		opts.StoreDir = filepath.Join(os.TempDir(), "nats", "jetstream")
	}
	return opts, nil
}

// lockStore makes the directory and takes its lock, which the file holds until it is closed,
// by the end of the process at the latest.
func lockStore(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "ha.lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("the store directory %s is in use by another server", dir)
	}
	return lock, nil
}
