package testrun

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

func TestARunKeepsNoPassword(t *testing.T) {
	target, err := url.Parse("http://me:hunter2@api.test:8080/v1")
	if err != nil {
		t.Fatal(err)
	}
	r := newRun("a", Spec{Target: target, Prometheus: "http://me:hunter2@p.test:9090", Scenario: loadgen.Scenario{}})
	if text := fmt.Sprintf("%+v", r); strings.Contains(text, "hunter2") {
		t.Errorf("got %s, want no password", text)
	}
	if r.Target != "http://api.test:8080/v1" || r.Source.Prometheus != "http://p.test:9090" {
		t.Errorf("got %s and %s, want all but the user", r.Target, r.Source.Prometheus)
	}
}
