package api

import (
	"slices"

	"karkhana/internal/registry"
)

// Shorthands for the table below.
const (
	admin      = registry.RoleAdmin
	manager    = registry.RoleManager
	accountant = registry.RoleAccountant
	technician = registry.RoleTechnician
	group      = registry.RoleGroup
	viewer     = registry.RoleViewer
)

// public marks operations that need no sign-in: they are about signing in, of people and of gateways.
var public = []registry.Role{}

// access is the one table of who may call what, by operation id. An operation that is not listed can't be
// registered. Role admin may call everything; role group gets only rows of its own group.
var access = map[string][]registry.Role{
	"login":  public,
	"logout": public,
	"me":     public,
	"enrol":  public, // its one-time code is the proof

	"list-sites":              {viewer, manager, technician, accountant, group},
	"list-machines":           {viewer, manager, technician, accountant},
	"live":                    {viewer, manager, technician, accountant},
	"list-intervals":          {viewer, manager, technician, accountant},
	"list-kpis":               {viewer, manager, technician, accountant},
	"list-site-kpis":          {viewer, manager, technician, accountant},
	"get-site-kpis-csv":       {viewer, manager, technician, accountant},
	"get-calendar":            {viewer, manager, technician, accountant},
	"list-breakdowns":         {viewer, manager, technician, accountant},
	"get-series":              {viewer, manager, technician, accountant},
	"get-samples-csv":         {viewer, manager, technician, accountant},
	"get-energy":              {viewer, manager, technician, accountant},
	"get-energy-csv":          {viewer, manager, technician, accountant},
	"get-machine-energy":      {viewer, manager, technician, accountant},
	"get-energy-baseline":     {viewer, manager, technician, accountant},
	"get-energy-baseline-csv": {viewer, manager, technician, accountant},
	"list-gateways":           {viewer, manager, technician, accountant},
	"list-gaps":               {viewer, manager, technician, accountant},
	"get-gaps-csv":            {viewer, manager, technician, accountant},
	"list-alarms":             {viewer, manager, technician, accountant},
	"list-baselines":          {viewer, manager, technician, accountant},
	"list-services":           {viewer, manager, technician, accountant},

	"add-planned-stop":    {manager},
	"remove-planned-stop": {manager},
	"add-breakdown":       {manager, technician},
	"end-breakdown":       {manager, technician},
	"remove-breakdown":    {manager},

	"suggest-thresholds": {manager, technician},
	"confirm-thresholds": {manager, technician},

	"acknowledge-alarm": {manager, technician},
	"resolve-alarm":     {manager, technician},
	"shelve-alarm":      {manager, technician},
	"unshelve-alarm":    {manager, technician},
	"service-done":      {manager, technician},
	"count-quarantine":  {manager, technician},
	"replay-quarantine": {manager, technician},
	"drop-quarantine":   {manager},
	"list-quarantine":   {manager, technician},
	"list-commands":     {manager, technician},
	"send-command":      {manager, technician}, // technician: self-test only, see sendCommand
	"make-gateway-code": {manager},

	"list-groups":       {manager, accountant, technician, group},
	"list-sessions":     {manager, accountant, technician, group},
	"list-statements":   {manager, accountant, group},
	"get-statement":     {manager, accountant, group},
	"get-statement-csv": {manager, accountant, group},
	"make-statements":   {manager, accountant},
	"list-unattributed": {manager, accountant},

	"get-month-report":      {manager, accountant},
	"get-month-report-csv":  {manager, accountant},
	"get-month-report-pdf":  {manager, accountant},
	"get-scheme-report":     {manager, accountant},
	"get-scheme-report-csv": {manager, accountant},
	"get-scheme-report-pdf": {manager, accountant},
	"get-meter-report":      {manager, accountant},
	"get-meter-report-csv":  {manager, accountant},
	"get-meter-report-pdf":  {manager, accountant},
	"list-corrections":      {manager, accountant, group},
	"correct-session":       {manager, accountant},
	"list-jobs":             {manager, accountant, technician, group},
	"get-job":               {manager, accountant, technician, group},
	"get-job-csv":           {manager, accountant, technician, group},
	"get-job-pdf":           {manager, accountant, technician, group},
	"save-job":              {manager, accountant, technician},
	"add-job-work":          {manager, accountant, technician},
	"end-job-work":          {manager, accountant, technician},
	"correct-job-work":      {manager, accountant},
	"list-unknown-cards":    {manager, accountant, technician},
	"give-job-card":         {manager, accountant, technician},
	"end-job-card":          {manager, accountant, technician},
}

// may reports whether the role may call the operation.
func may(role registry.Role, operation string) bool {
	return role == admin || slices.Contains(access[operation], role)
}

// isPublic reports whether the operation needs no sign-in.
func isPublic(operation string) bool {
	roles, listed := access[operation]
	return listed && len(roles) == 0
}
