package meter_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"karkhana/hardware/meter"

	"github.com/stretchr/testify/require"
)

func methods(t reflect.Type) []string {
	var out []string
	for m := range t.Methods() {
		out = append(out, m.Name)
	}
	return out
}

// No way to write to a meter can be reached: what readers hold has reads only, the client adds nothing that writes, and
// inside the package the library's client is only seen through an interface without writes.
func TestNothingCanWriteToAMeter(t *testing.T) {
	require.Equal(t, []string{"ReadHolding", "ReadInput"}, methods(reflect.TypeFor[meter.Registers]()))
	require.Equal(t, []string{"Close", "ReadHolding", "ReadInput", "SetTimeout", "String"}, methods(reflect.TypeFor[*meter.Client]()))
	require.Equal(t, []string{"Halt", "Sense", "String", "Words"}, methods(reflect.TypeFor[*meter.Reader]()))
	require.Equal(t, []string{"Poll", "Run"}, methods(reflect.TypeFor[*meter.Bus]()))

	set := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	seen := false
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if n.Name.Name == "port" {
					seen = true
					var has []string
					for _, m := range n.Type.(*ast.InterfaceType).Methods.List {
						has = append(has, m.Names[0].Name)
					}
					require.Equal(t, []string{"Open", "Close", "SetUnitId", "ReadRegisters"}, has)
				}
			case *ast.SelectorExpr:
				require.False(t, strings.HasPrefix(n.Sel.Name, "Write"), "%s uses %s", name, n.Sel.Name)
				require.NotEqual(t, "ModbusClient", n.Sel.Name, "%s: the library's client is held as a port only", name)
			case *ast.TypeAssertExpr:
				if id, ok := n.Type.(*ast.Ident); ok {
					require.Equal(t, "timeouts", id.Name, "%s: no assertion opens another way", name)
				}
			}
			return true
		})
	}
	require.True(t, seen)
}
