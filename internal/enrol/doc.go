// Package enrol is the contract by which a gateway joins a server: the one-time code, and the JSON of the call
// POST /api/v1/enrol.
//
// The manager makes a code for one gateway, the installer types it on the gateway. The gateway makes its own key and
// sends only the key's SHA-256; the answer holds everything else it needs. Both sides use this package, so that they
// can't differ.
package enrol
