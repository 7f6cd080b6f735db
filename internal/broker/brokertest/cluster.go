package brokertest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"karkhana/internal/lowport/lowporttest"
)

// Cluster starts three stock NATS servers in this process as a cluster with MQTT and JetStream: streams have three
// replicas. Clients connect to the first one; Stop and Start mean this one, the others go on.
func Cluster(t *testing.T, users map[string]User) Broker {
	t.Helper()
	c := &cluster{}
	var list []*server.User
	for name, u := range users {
		p, err := u.Rights.Permissions()
		require.NoError(t, err)
		list = append(list, &server.User{Username: name, Password: u.Password, Permissions: p})
	}
	ports := make([]int, 9) // for NATS, MQTT and the cluster, of each server
	for i := range ports {
		ports[i] = lowporttest.Take(t).Number // the servers must know each other's before they start
	}
	var routes []*url.URL
	for i := range 3 {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[3*i+2])})
	}
	for i := range 3 {
		c.options = append(c.options, &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: ports[3*i], NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 30, Users: list, Routes: routes,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[3*i+2]},
			MQTT:    server.MQTTOpts{Host: "127.0.0.1", Port: ports[3*i+1], AckWait: time.Second},
		})
	}
	c.servers = make([]*server.Server, 3)
	for i := range c.servers {
		c.start(t, i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	c.wait(t)
	// The servers make their streams for MQTT when the first client connects, which takes them a moment.
	for name, u := range users {
		require.Eventually(t, func() bool {
			first := mqtt.NewClient(ClientOptions(c, name, u.Password, "first"))
			defer first.Disconnect(0)
			return Wait(first.Connect()) == nil
		}, time.Minute, 50*time.Millisecond)
		break
	}
	return c
}

type cluster struct {
	options []*server.Options
	servers []*server.Server // nil while stopped
}

func (c *cluster) URL() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", c.options[0].MQTT.Port) }

// NATS is the list of all three, as ingest's source takes it.
func (c *cluster) NATS() string {
	var all []string
	for _, o := range c.options {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", o.Port))
	}
	return "nats://" + strings.Join(all, ",")
}

func (c *cluster) Start(t *testing.T) {
	t.Helper()
	c.start(t, 0)
	c.wait(t)
}

func (c *cluster) Stop(t *testing.T) {
	t.Helper()
	c.stop(0)
}

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	s, err := server.NewServer(c.options[i].Clone())
	require.NoError(t, err)
	s.Start()
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

// wait returns when all servers have joined and one leads.
func (c *cluster) wait(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		leader := false
		for _, s := range c.servers {
			if !s.ReadyForConnections(10*time.Millisecond) || !s.JetStreamIsCurrent() {
				return false
			}
			leader = leader || s.JetStreamIsLeader()
		}
		return leader
	}, time.Minute, 50*time.Millisecond, "the cluster did not come together")
}
