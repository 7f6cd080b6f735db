package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
	"karkhana/internal/tsdb"
)

// problem makes an application/problem+json answer. detail says what is wrong and what to do about it.
func problem(status int, format string, args ...any) error {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: fmt.Sprintf(format, args...)}
}

// fail turns an error of the layers below into an answer: known kinds get their status, the rest is logged here,
// once, and answered without its inner words.
func (a *API) fail(ctx context.Context, doing string, err error) error {
	var answer huma.StatusError
	switch {
	case errors.As(err, &answer):
		return err
	case errors.Is(err, registry.ErrNotFound):
		return problem(http.StatusNotFound, "%s: not found", doing)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return problem(499, "%s: the caller has gone", doing)
	case errors.Is(err, context.DeadlineExceeded):
		a.log.Warn("request took too long", "doing", doing, "err", err)
		return problem(http.StatusServiceUnavailable, "%s: the store did not answer in time; ask for a shorter time or try again", doing)
	case errors.Is(err, tsdb.ErrUnauthorized):
		a.log.Error("request failed", "doing", doing, "err", err)
		return problem(http.StatusServiceUnavailable, "%s: %v", doing, tsdb.ErrUnauthorized)
	}
	a.log.Error("request failed", "doing", doing, "err", err)
	return problem(http.StatusServiceUnavailable, "%s: the store or the registry does not answer; try again, the server's log says more", doing)
}

// site looks a site up; an unknown one is a 404 that names those there are.
func (a *API) site(ctx context.Context, id string) (registry.Site, error) {
	s, err := a.reg.Site(ctx, id)
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, registry.ErrNotFound) {
		return s, a.fail(ctx, "look up the site", err)
	}
	all, err := a.reg.Sites(ctx)
	if err != nil {
		return s, a.fail(ctx, "list the sites", err)
	}
	ids := make([]string, len(all))
	for i, other := range all {
		ids[i] = other.ID
	}
	return s, problem(http.StatusNotFound, "no site %q; %s", id, known("sites", ids))
}

// machine looks a site and its machine up; an unknown one is a 404 that names those there are.
func (a *API) machine(ctx context.Context, site, id string) (registry.Site, registry.Machine, error) {
	s, err := a.site(ctx, site)
	if err != nil {
		return s, registry.Machine{}, err
	}
	all, err := a.reg.Machines(ctx, site)
	if err != nil {
		return s, registry.Machine{}, a.fail(ctx, "list the machines", err)
	}
	ids := make([]string, len(all))
	for i, m := range all {
		if m.ID == id {
			return s, m, nil
		}
		ids[i] = m.ID
	}
	return s, registry.Machine{}, problem(http.StatusNotFound, "no machine %q at site %q; %s", id, site, known("machines", ids))
}

// known words the remedy of a wrong id: the right ones, at most twenty.
func known(what string, ids []string) string {
	if len(ids) == 0 {
		return "there are no " + what + " yet: apply a site file with `karkhana admin apply`"
	}
	slices.Sort(ids)
	more := ""
	if len(ids) > 20 {
		ids, more = ids[:20], ", …"
	}
	return "known " + what + ": " + strings.Join(ids, ", ") + more
}
