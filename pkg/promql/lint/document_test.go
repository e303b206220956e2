package lint_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/promql/lint"
)

var update = flag.Bool("update", false, "rewrite docs/lint.md")

func TestDocument(t *testing.T) {
	const file = "../../../docs/lint.md"
	want := document()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("docs/lint.md is not what the rules say (%v): run `go test ./pkg/promql/lint -update`", err)
	}
}

// document is docs/lint.md.
func document() string {
	var b strings.Builder
	b.WriteString(`# What ` + "`analyzer check`" + ` finds

<!-- Generated from pkg/promql/lint by its test; make golden rewrites it. -->

` + "`analyzer check`" + ` reads SLA files, Prometheus rules, Grafana dashboards (JSON), scenarios, profiles,
baselines and the configuration, and says what is wrong with them and with every query in them:

` + "```sh" + `
make build
bin/analyzer check examples/paracle/demo/sla.yaml examples/paracle/scenarios/mixed.yaml
` + "```" + `

    sla.yaml:9:16: error: process_open_fds is a gauge, and rate is for counters (rate-of-gauge)
        use the gauge itself, or deriv, delta or avg_over_time

A find is file:line:column, also inside block scalars and JSON strings; its severity; what is wrong;
and the rule below that it comes from (` + "`file`" + ` is what the file's own form forbids). An *error* means that
the answer is not what is asked for; a *warning* that it is not under circumstances that the text
does not tell; an *info* is good to know. It exits with 0 without errors, 1 with errors, 2 on trouble,
such as a file that is none of these; the others are checked all the same. Of a ` + "`PrometheusRule`" + ` every
document of the file is read. What is found out about a target is said once in a file, at the first selector.

A metric's type and unit are told by its name: ` + "`_total`, `_bucket`, `_seconds`, `_bytes`, `_ratio`" + ` and so
on, and the names of usual exporters. ` + "`$__rate_interval`" + ` counts as four scrapes, ` + "`$__interval`" + ` as two.
`)
	for _, part := range []struct {
		title string
		live  bool
	}{{"Told by the text", false}, {"Told by the server (`--prometheus`)", true}} {
		fmt.Fprintf(&b, "\n## %s\n", part.title)
		for _, r := range lint.Rules {
			if r.Live() == part.live {
				fmt.Fprintf(&b, "\n### %s\n\n*%s*: %s.\n%s\nTo mend it, %s.\n", r.ID, r.Severity, r.What, r.Why, r.Mend)
			}
		}
	}
	return b.String()
}
