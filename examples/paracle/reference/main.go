// The program reference writes the guide's own example run, reconstructed from
// the numbers of its tables, into examples/paracle/results. It takes other
// numbers too.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/plumbline/plumbline/internal/reference"
)

//go:embed guide.yaml
var guide []byte

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	fs := flag.NewFlagSet("reference", flag.ContinueOnError)
	fs.SetOutput(stderr)
	results := fs.String("results", "examples/paracle/results", "`folder` that the run is written to")
	sla := fs.String("sla", "examples/paracle/sla.yaml", "SLA `file` that the run is judged by")
	numbers := fs.String("numbers", "", "`file` of numbers (default: the guide's)")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if err := write(*results, *sla, *numbers); err != nil {
		fmt.Fprintln(stderr, "reference:", err)
		return 2
	}
	return 0
}

func write(results, sla, numbers string) error {
	name, text := "guide.yaml", guide
	if numbers != "" {
		var err error
		if name, text, err = readFile(numbers); err != nil {
			return err
		}
	}
	n, err := reference.Parse(name, text)
	if err != nil {
		return err
	}
	agreement, err := os.ReadFile(sla)
	if err != nil {
		return err
	}
	return reference.Write(results, n, agreement)
}

func readFile(name string) (string, []byte, error) {
	text, err := os.ReadFile(name)
	return name, text, err
}
