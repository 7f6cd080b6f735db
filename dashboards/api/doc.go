// Package api is the HTTP face of Karkhana: the JSON API under /api/v1 (OpenAPI 3.1 at /openapi.json), the live
// stream, sign-in, and the embedded pages.
//
// It owns routes, roles, validation and the wording of errors. It does not own meaning: states come from
// analytics/timeline, indicators from analytics/utilisation, statements from analytics/billing. It keeps nothing of
// its own, so any number of processes can serve the same site.
//
// Forms: times RFC 3339 UTC, durations in seconds, energy in Wh, money in paise, errors application/problem+json.
package api
