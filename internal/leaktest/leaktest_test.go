package leaktest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLeft(t *testing.T) {
	late := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(late) })
	go func() { <-late }()
	require.NoError(t, left(patience), "it ends, a little late")

	stay := make(chan struct{})
	go func() { <-stay }()
	require.ErrorContains(t, left(0), "TestLeft")
	close(stay)
}
