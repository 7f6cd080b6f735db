package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"karkhana/internal/registry"
)

// identity is who calls. Role "" is nobody.
type identity struct {
	name     string
	role     registry.Role
	group    string // role group only
	signedIn bool   // by token or cookie, not by Options.AnonymousRole
}

type identityKey struct{}

// caller returns who calls the operation; authorise has put it there.
func caller(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// ownGroup narrows an asked group to what the caller may see: people of a group see their own only.
func ownGroup(ctx context.Context, asked string) (string, error) {
	id := caller(ctx)
	if id.role != group {
		return asked, nil
	}
	if id.group == "" || (asked != "" && asked != id.group) {
		return "", problem(http.StatusForbidden, "this sign-in belongs to group %q and shows only that group's rows", id.group)
	}
	return id.group, nil
}

// errBadToken means that credentials were given and are not valid.
var errBadToken = errors.New("the token is unknown or has expired: ask the CFC's administrator for a new one")

// identify finds out who sends r. Wrong credentials in the Authorization header are an error; a cookie that has
// run out is no sign-in.
func (a *API) identify(r *http.Request) (identity, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, secret, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") || secret == "" {
			return identity{}, errors.New("use the header `Authorization: Bearer TOKEN`")
		}
		return a.byHash(r.Context(), registry.HashSecret(strings.TrimSpace(secret)))
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if hash, ok := a.openSession(c.Value); ok {
			id, err := a.byHash(r.Context(), hash)
			if !errors.Is(err, errBadToken) {
				return id, err
			}
		}
	}
	return identity{name: "anonymous", role: a.anonymous}, nil
}

func (a *API) byHash(ctx context.Context, hash string) (identity, error) {
	t, err := a.reg.TokenByHash(ctx, hash)
	if errors.Is(err, registry.ErrNotFound) {
		return identity{}, errBadToken
	}
	if err != nil {
		return identity{}, a.fail(ctx, "look up the token", err)
	}
	if t.ExpiresMs != 0 && t.ExpiresMs <= a.now().UnixMilli() {
		return identity{}, errBadToken
	}
	return identity{name: t.Name, role: t.Role, group: t.Group, signedIn: true}, nil
}

// authorise stands before every operation: it finds the caller and refuses the wrong role.
func (a *API) authorise(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	ctx.SetHeader("Cache-Control", "no-store")
	op := ctx.Operation().OperationID
	id, err := a.identify(r)
	if isPublic(op) {
		if err != nil {
			id = identity{name: "anonymous"}
		}
		next(huma.WithValue(ctx, identityKey{}, id))
		return
	}
	var answer huma.StatusError
	switch {
	case errors.As(err, &answer):
		a.writeProblem(w, err)
	case err != nil:
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="karkhana", error="invalid_token"`)
		a.writeProblem(w, problem(http.StatusUnauthorized, "%v", err))
	case may(id.role, op):
		next(huma.WithValue(ctx, identityKey{}, id))
	case !id.signedIn:
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="karkhana"`)
		a.writeProblem(w, problem(http.StatusUnauthorized, "sign in first: this needs role %s", strings.Join(rolesShown(op), " or ")))
	default:
		a.writeProblem(w, problem(http.StatusForbidden, "role %s may not do this: it needs %s", id.role, strings.Join(rolesShown(op), " or ")))
	}
}
