package main

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// gate is the way into a server that does not listen yet: a port of the loopback interface that
// is told to nobody but the other side of the C interface.
type gate struct {
	listener net.Listener
	server   *server.Server

	mu     sync.Mutex
	conns  map[net.Conn]struct{} // nil once the gate is closed
	copies sync.WaitGroup
}

func openGate(to *server.Server) (*gate, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{listener: listener, server: to, conns: map[net.Conn]struct{}{}}
	go g.accept()
	return g, nil
}

func (g *gate) accept() {
	for {
		outside, err := g.listener.Accept()
		if err != nil {
			return
		}
		inside, err := g.server.InProcessConn()
		if err != nil {
			_ = outside.Close()
			continue
		}
		g.join(outside, inside)
	}
}

func (g *gate) join(outside, inside net.Conn) {
	if !g.keep(outside, inside) {
		return
	}
	pass := func(to, from net.Conn) {
		defer g.copies.Done()
		_, _ = io.Copy(to, from)
		_, _ = to.Close(), from.Close()
	}
	go pass(outside, inside)
	go pass(inside, outside)
}

// keep notes the connections, or closes them if the gate is closed.
func (g *gate) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range conns {
		if g.conns == nil {
			_ = conn.Close()
			continue
		}
		g.conns[conn] = struct{}{}
		g.copies.Add(1)
	}
	return g.conns != nil
}

// close lets nobody in any more and returns when everybody is out.
func (g *gate) close() {
	_ = g.listener.Close()
	g.mu.Lock()
	for conn := range g.conns {
		_ = conn.Close()
	}
	g.conns = nil
	g.mu.Unlock()
	g.copies.Wait()
}

// checkPort tells before anything is changed that the port will not be free later.
func checkPort(opts *server.Options) error {
	if opts.Port == server.RANDOM_PORT {
		return nil
	}
	port := opts.Port
	if port == 0 {
		port = server.DEFAULT_PORT
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(opts.Host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}

// listen opens the server's own port, if it is not open yet, and closes the gate.
func (n *node) listen() error {
	if n.gate == nil {
		return nil
	}
	n.gate.close()
	n.gate = nil
	n.server.AcceptLoop(make(chan struct{}))
	select {
	case reason := <-n.log.fatal:
		return errors.New(reason)
	default:
	}
	if n.server.Addr() == nil {
		return errors.New("the server does not listen")
	}
	return nil
}
