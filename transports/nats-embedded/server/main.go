// Package main is the C interface of an embedded nats-server. Strings cross it as JSON or
// plain text; the caller owns what it is given and returns it to ha_nats_free.
package main

/*
#include <stdint.h>
#include <stdlib.h>
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"sync"
	"unsafe"
)

// started is the answer to ha_nats_start: either Error, or all the others.
type started struct {
	Error  string `json:"error,omitempty"`
	Handle uint64 `json:"handle"`
	URL    string `json:"url"`
	Host   string `json:"host"`
	Port   int    `json:"port"`
	Synced bool   `json:"synced"`

	Clustered bool `json:"clustered"`
}

var (
	nodesMu    sync.Mutex
	nodes      = map[uint64]*node{}
	lastHandle uint64
)

// ha_nats_start starts a server with the options in a JSON text (see options) and waits until
// it takes connections. It returns the JSON text of started.
//
//export ha_nats_start
func ha_nats_start(text *C.char) (answer *C.char) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = reply(started{Error: fmt.Sprint(problem)})
		}
	}()
	var given options
	if err := json.Unmarshal([]byte(C.GoString(text)), &given); err != nil {
		return reply(started{Error: err.Error()})
	}
	n, err := start(given)
	if err != nil {
		return reply(started{Error: err.Error()})
	}
	answered := n.describe()
	answered.Handle = keep(n)
	return reply(answered)
}

// ha_nats_listen opens the port of a server that was started privately, and returns the JSON text
// of started, as of any other.
//
//export ha_nats_listen
func ha_nats_listen(handle C.uint64_t) (answer *C.char) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = reply(started{Error: fmt.Sprint(problem)})
		}
	}()
	n := find(handle)
	if n == nil {
		return reply(started{Error: "the server was stopped"})
	}
	if err := n.listen(); err != nil {
		return reply(started{Error: err.Error()})
	}
	answered := n.describe()
	answered.Handle = uint64(handle)
	return reply(answered)
}

// ha_nats_next_log waits for the next line of the server's log: a letter for the level (F, E,
// W, N, D or T), then the text. It returns NULL after the last line of a server that was shut
// down; the handle is invalid then.
//
//export ha_nats_next_log
func ha_nats_next_log(handle C.uint64_t) *C.char {
	n := find(handle)
	if n == nil {
		return nil
	}
	line, more := n.log.next()
	if !more {
		forget(handle)
		return nil
	}
	return C.CString(line)
}

// ha_nats_running tells whether the server runs and its JetStream is enabled.
//
//export ha_nats_running
func ha_nats_running(handle C.uint64_t) (running C.int) {
	defer func() { _ = recover() }()
	if n := find(handle); n != nil && n.server.Running() && n.server.JetStreamEnabled() {
		return 1
	}
	return 0
}

// ha_nats_shutdown stops the server and returns when it is down.
//
//export ha_nats_shutdown
func ha_nats_shutdown(handle C.uint64_t) {
	defer func() { _ = recover() }()
	if n := find(handle); n != nil {
		n.stop()
	}
}

// ha_nats_free releases a string that one of the other functions returned.
//
//export ha_nats_free
func ha_nats_free(text *C.char) {
	C.free(unsafe.Pointer(text))
}

func keep(n *node) uint64 {
	nodesMu.Lock()
	defer nodesMu.Unlock()
	lastHandle++
	nodes[lastHandle] = n
	return lastHandle
}

func find(handle C.uint64_t) *node {
	nodesMu.Lock()
	defer nodesMu.Unlock()
	return nodes[uint64(handle)]
}

func forget(handle C.uint64_t) {
	nodesMu.Lock()
	defer nodesMu.Unlock()
	delete(nodes, uint64(handle))
}

func reply(answer started) *C.char {
	text, err := json.Marshal(answer)
	if err != nil {
		return C.CString(`{"error":"the answer could not be encoded"}`)
	}
	return C.CString(string(text))
}

func main() {}
