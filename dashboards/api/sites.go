package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"karkhana/internal/registry"
)

// Site is a CFC as pages need it.
type Site struct {
	ID   string        `json:"id"`
	Name registry.Name `json:"name"`
	Zone string        `json:"zone" doc:"IANA time zone of screens and papers" example:"Asia/Kolkata"`
}

// Group is a producer group.
type Group struct {
	ID   string        `json:"id"`
	Name registry.Name `json:"name"`
}

type sitesOutput struct {
	Body struct {
		Sites []Site `json:"sites" nullable:"false"`
	}
}

type groupsOutput struct {
	Body struct {
		Groups []Group `json:"groups" nullable:"false"`
	}
}

// SiteInput is the path parameter that most calls share. Huma reads embedded structs only when they are exported.
type SiteInput struct {
	Site string `path:"site" maxLength:"40" doc:"Id of the site" example:"jodhpur-cfc"`
}

func (a *API) routeSites() {
	huma.Register(a.huma, operation("list-sites", http.MethodGet, "/sites", "List the sites", ""),
		func(ctx context.Context, _ *struct{}) (*sitesOutput, error) {
			all, err := a.reg.Sites(ctx)
			if err != nil {
				return nil, a.fail(ctx, "list the sites", err)
			}
			var out sitesOutput
			out.Body.Sites = make([]Site, len(all))
			for i, s := range all {
				out.Body.Sites[i] = Site{ID: s.ID, Name: s.Name, Zone: s.Zone}
			}
			return &out, nil
		})
	huma.Register(a.huma, operation("list-groups", http.MethodGet, "/sites/{site}/groups", "List the producer groups", "People of a group see their own only."),
		func(ctx context.Context, in *SiteInput) (*groupsOutput, error) {
			if _, err := a.site(ctx, in.Site); err != nil {
				return nil, err
			}
			own, err := ownGroup(ctx, "")
			if err != nil {
				return nil, err
			}
			all, err := a.reg.Groups(ctx, in.Site)
			if err != nil {
				return nil, a.fail(ctx, "list the groups", err)
			}
			var out groupsOutput
			out.Body.Groups = []Group{}
			for _, g := range all {
				if own == "" || g.ID == own {
					out.Body.Groups = append(out.Body.Groups, Group{ID: g.ID, Name: g.Name})
				}
			}
			return &out, nil
		})
}
