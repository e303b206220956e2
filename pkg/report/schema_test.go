package report_test

import (
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plumbline/plumbline/pkg/report"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("report.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// The JSON report keeps to the schema that docs/ promises, whatever is in it.
func TestJSONKeepsToItsSchema(t *testing.T) {
	schema := compiledSchema(t)
	for name, r := range map[string]report.Report{"sample": sample(), "empty": {}} {
		got, err := jsonschema.UnmarshalJSON(strings.NewReader(render(t, report.JSON, r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(got); err != nil {
			t.Errorf("%s report: %v", name, err)
		}
	}
}

// The schema is strict enough to notice a change.
func TestSchemaRefusesOtherJSON(t *testing.T) {
	schema := compiledSchema(t)
	good := render(t, report.JSON, sample())
	for name, change := range map[string][2]string{
		"another verdict":   {`"verdict": "fail"`, `"verdict": "failed"`},
		"a renamed field":   {`"peak_series"`, `"peakSeries"`},
		"findings are gone": {`"findings": [`, `"finding": [`},
		"a number as text":  {`"value": 1847293`, `"value": "1847293"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: %s is not in the report", name, change[0])
		}
		got, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(got) == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
