package analysis_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The reference run's report, in all formats: what a change does to it is seen in review.
func TestReferenceGolden(t *testing.T) {
	r, err := referenceMade()
	if err != nil {
		t.Fatal(err)
	}
	r.Generated = time.Date(2026, 1, 18, 13, 0, 0, 0, time.UTC)
	r.Queries = slices.Clone(r.Queries)
	for i := range r.Queries {
		r.Queries[i].Seconds = 0 // how long an answer took differs
	}
	for _, f := range report.Formats {
		var got bytes.Buffer
		if err := f.Render(&got, r); err != nil {
			t.Fatal(err)
		}
		if f.Name == "pdf" {
			continue // its bytes are the compressor's; pkg/report looks at its pages
		}
		name := filepath.Join("testdata", "reference."+f.Name+".golden")
		if *update {
			if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got.Bytes()) {
			t.Errorf("%s differs from its golden file; rewrite it with make golden (-want +got):\n%s", f.Name, firstDifference(want, got.Bytes()))
		}
		if f.Name == "json" {
			checkSchema(t, got.Bytes())
		}
	}
}

// Reporting on a run again gives the same PDF, to the byte.
func TestReferenceReportedAgainIsTheSamePDF(t *testing.T) {
	once, err := referenceMade()
	if err != nil {
		t.Fatal(err)
	}
	a := &analysis.Analyzer{Store: store.Open(results), Version: "golden"}
	again, err := a.Report(t.Context(), referenceRun, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var pdfs [2]bytes.Buffer
	for i, r := range []report.Report{once, again} {
		if err := report.PDF(&pdfs[i], r); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(pdfs[0].Bytes(), pdfs[1].Bytes()) {
		t.Error("got other bytes for the same run, want the same")
	}
}

// firstDifference shows the first lines that differ: whole pages would hide them.
func firstDifference(want, got []byte) string {
	a, b := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			return cmp.Diff(string(a[i][:min(len(a[i]), 400)]), string(b[i][:min(len(b[i]), 400)]))
		}
	}
	return "one is longer"
}

func checkSchema(t *testing.T, text []byte) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Error(err)
	}
}

// The report is all there is to ask: each of its queries has an answer, and none failed.
func TestReferenceQueriesAreAnswered(t *testing.T) {
	r := referenceOf(t)
	if len(r.Queries) < 30 {
		t.Errorf("got %d queries, want those of all objectives and resources", len(r.Queries))
	}
	if i := slices.IndexFunc(r.Queries, func(q report.Query) bool { return q.Error != "" }); i >= 0 {
		t.Errorf("got %q: %s", r.Queries[i].Query, r.Queries[i].Error)
	}
}
