package ready

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestAnswerBlamesOnlyWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fine := func(ctx context.Context) error { return ctx.Err() }
		hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ask := func(c Checks) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			Answer(w, httptest.NewRequest(http.MethodGet, "/readyz", nil), c, slog.New(slog.DiscardHandler))
			return w
		}
		w := ask(Checks{"a": fine, "b": fine})
		require.Equal(t, http.StatusOK, w.Code)
		require.JSONEq(t, `{"a":"ok","b":"ok"}`, w.Body.String())
		for range 20 { // a map is asked in no order
			w = ask(Checks{
				"a": fine, "b": fine, "c": fine, "d": fine, "hung": hangs,
				"secret": func(context.Context) error { return errors.New("password is 1234") },
				"slow":   func(context.Context) error { return Said("has tried for 6s to write") },
			})
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.JSONEq(t, `{"a":"ok","b":"ok","c":"ok","d":"ok","hung":"does not answer","secret":"does not answer","slow":"has tried for 6s to write"}`, w.Body.String())
		}
	})
}
