// Command karkhana-gateway samples machines and brings their samples to the server without losing one.
package main

import (
	"os"

	"karkhana/firmware-gateway/command"
)

// version is set by the build (-ldflags "-X main.version=…").
var version = "dev"

func main() { os.Exit(command.Main(os.Args[1:], version, nil)) }
