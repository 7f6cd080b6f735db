package main

import (
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// A broker that runs alone tells what it refused: nobody else sees it.
func TestBrokerAloneShowsWhatItRefuses(t *testing.T) {
	broker := run(t, nil, serverBinary(t), "broker", "--mqtt-listen", "127.0.0.1:0", "--data", t.TempDir())
	metrics := broker.find(t, `metrics +(http://\S+)`)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + broker.find(t, `gateways +mqtt://(\S+)`)).
		SetUsername("nowhere.gw-1").SetPassword("guessed").SetClientID("stranger").SetAutoReconnect(false))
	connected := c.Connect()
	require.True(t, connected.WaitTimeout(30*time.Second))
	require.Error(t, connected.Error())
	answer, err := http.Get(metrics)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "karkhana_broker_refused_total{reason=\"sign-in\"} 1\n")
	require.Contains(t, string(text), "karkhana_broker_refused_total{reason=\"too-large\"} 0\n")
	broker.end(t, syscall.SIGTERM)
	require.Zero(t, broker.cmd.ProcessState.ExitCode(), broker.out.tail())
}
