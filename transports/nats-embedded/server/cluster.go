package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// routeUser is the name under which servers of a cluster log in to each other.
const routeUser = "ha"

// A stop that hands leadership over: the server waits a second for the new leaders, then ends
// the connections within lameDuck.
const (
	lameDuck      = 100 * time.Millisecond
	lameDuckGrace = time.Millisecond
)

// routeErrorReports is how many attempts to reach a server that is down, one a second, the log
// tells as one.
const routeErrorReports = 60

// cluster is how a server finds the others.
type cluster struct {
	Name   string   `json:"name"`
	Host   string   `json:"host"`
	Port   int      `json:"port"`
	Peers  []string `json:"peers"` // host:port
	Secret string   `json:"secret"`
}

// apply makes the server a member. Clients are not told of the other servers: each is there
// for the node in its own process.
func (c *cluster) apply(opts *server.Options) {
	opts.Cluster = server.ClusterOpts{
		Name: c.Name, Host: c.Host, Port: c.Port, NoAdvertise: true,
		Username: routeUser, Password: c.Secret,
	}
	opts.ReconnectErrorReports = routeErrorReports
	user := url.UserPassword(routeUser, c.Secret)
	for _, peer := range c.Peers {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", User: user, Host: peer})
	}
}

// isClustered tells whether opts make a member of a cluster.
func isClustered(opts *server.Options) bool {
	return opts.Cluster.Port != 0
}

// checkStore refuses a store directory that was filled in the other way. A cluster deletes
// the streams of a member that it does not know, half a minute after it joined, and what a
// member stores alone is not in the cluster.
func checkStore(dir string, clustered bool) error {
	dir = filepath.Join(dir, server.JetStreamStoreDir)
	_, err := os.Stat(filepath.Join(dir, server.DEFAULT_SYSTEM_ACCOUNT, "_js_", "_meta_"))
	wasClustered := err == nil
	streams, err := filepath.Glob(filepath.Join(dir, "*", "streams", "*"))
	switch {
	case err != nil:
		return err
	case clustered && !wasClustered && len(streams) > 0:
		return fmt.Errorf("the store %s is that of a server without a cluster, which would delete its streams; "+
			"start with an empty store and import the database", dir)
	case !clustered && wasClustered:
		return fmt.Errorf("the store %s is that of a member of a cluster, and no cluster is configured", dir)
	}
	return nil
}
