package registry

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What many do at once with statements that are not prepared yet ends: preparing waits for the connection of a
// transaction, which must not wait for preparing.
func TestManyPrepareAtOnce(t *testing.T) {
	withSite(t, func(t *testing.T, d *DB) {
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() {
				for n := range 40 {
					var touches []Touched
					for k := range (n*7+i)%300 + 1 {
						touches = append(touches, Touched{Site: site, Machine: fmt.Sprint("m", k), FromMs: 1, ToMs: 2})
					}
					if err := d.Touch(t.Context(), touches); err != nil {
						errs[i] = err
						return
					}
				}
			})
		}
		all.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
	})
}
