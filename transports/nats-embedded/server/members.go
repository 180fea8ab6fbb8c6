package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// operator is the user under which this process alone speaks to the system account.
const operator = "ha-operator"

// A cluster that has just lost its leader elects another one before it answers: it is asked
// so often, and given so long each time.
const (
	removeTries  = 20
	removeWithin = 3 * time.Second
)

// members is what a server knows of the cluster's members.
type members struct {
	Size   int      `json:"size"`
	Needed int      `json:"needed"`
	Here   []string `json:"here"` // this one first
	Away   []string `json:"away"`
	Leader string   `json:"leader"`
}

// members tells who is in the cluster; nil without one, or before the server knows.
func (n *node) members() *members {
	if n.server == nil || !isClustered(n.opts) {
		return nil
	}
	info, err := n.server.Jsz(nil)
	if err != nil || info.Meta == nil {
		return nil
	}
	known := &members{
		Size: info.Meta.Size, Needed: info.Meta.QuorumNeeded, Leader: info.Meta.Leader,
		Here: []string{n.server.Name()}, Away: []string{},
	}
	connected := n.connected()
	for _, peer := range info.Meta.Replicas {
		if connected[peer.Name] {
			known.Here = append(known.Here, peer.Name)
		} else {
			known.Away = append(known.Away, peer.Name)
		}
	}
	return known
}

// connected tells which servers have a connection with this one. The cluster itself takes much
// longer to see that a server is gone.
func (n *node) connected() map[string]bool {
	names := map[string]bool{}
	if routes, err := n.server.Routez(nil); err == nil {
		for _, route := range routes.Routes {
			names[route.RemoteName] = true
		}
	}
	return names
}

// remove takes a member out of the cluster for good; most of the others have to agree.
func (n *node) remove(name string) error {
	if n.auth == nil {
		return errors.New("the server is not a member of a cluster of ha")
	}
	conn, err := nats.Connect("", nats.InProcessServer(n.server), nats.UserInfo(operator, n.auth.secret))
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Server: name})
	if err != nil {
		return err
	}
	unanswered := false
	for range removeTries {
		var reply *nats.Msg
		if reply, err = conn.Request(server.JSApiRemoveServer, request, removeWithin); err == nil {
			if err = removed(reply.Data, unanswered); !errors.Is(err, errChanging) {
				return err
			}
			time.Sleep(time.Second)
		} else {
			unanswered = true
		}
	}
	if errors.Is(err, errChanging) {
		return err
	}
	return fmt.Errorf("the cluster has no leader that answers: %w", err)
}

// errChanging: another change, that of a member that has just joined say, is not finished.
var errChanging = errors.New("another change of the members is in progress")

// removed reads the answer. That there is no such member is what an earlier try has done.
func removed(data []byte, again bool) error {
	var answer server.JSApiMetaServerRemoveResponse
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	notMember := server.NewJSClusterServerNotMemberError().ErrCode
	if answer.Error == nil || again && answer.Error.ErrCode == notMember {
		return nil
	}
	if answer.Error.ErrCode == server.NewJSClusterServerMemberChangeInflightError().ErrCode {
		return errChanging
	}
	return errors.New(answer.Error.Description)
}

// authentication lets in who has the token, if there is one, and the operator to the system
// account.
type authentication struct {
	token  string
	secret string
	system func() *server.Account
}

func newAuthentication(token string, n *node) *authentication {
	return &authentication{
		token: token, secret: rand.Text(),
		system: func() *server.Account { return n.server.SystemAccount() },
	}
}

// Check implements server.Authentication.
func (a *authentication) Check(client server.ClientAuthentication) bool {
	given := client.GetOpts()
	if given.Username == operator && equal(given.Password, a.secret) {
		client.RegisterUser(&server.User{Username: operator, Account: a.system()})
		return true
	}
	return a.token == "" || equal(given.Token, a.token)
}

func equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
