package main

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"loadgen": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			cfg, err := paracle.ForVersion("v1.0.3")
			if err != nil {
				return err
			}
			srv := httptest.NewServer(paracle.New(cfg))
			env.Defer(srv.Close)
			env.Setenv("TARGET", srv.URL)
			secure := httptest.NewUnstartedServer(paracle.New(cfg))
			secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
			secure.StartTLS()
			env.Defer(secure.Close)
			env.Setenv("TLS_TARGET", secure.URL)
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
			if err := os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), ca, 0o600); err != nil {
				return err
			}
			env.Setenv("PORT", strings.TrimPrefix(srv.URL, "http://127.0.0.1:"))
			examples, err := filepath.Abs("../../examples/paracle")
			env.Setenv("EXAMPLES", examples)
			return err
		},
	})
}

// TestKilledRunCanBeAnalysed reports on a run while it is under way, then kills its
// loadgen in the middle, and reports again.
func TestKilledRunCanBeAnalysed(t *testing.T) {
	cfg, err := paracle.ForVersion("v1.0.3")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(paracle.New(cfg))
	defer srv.Close()
	st := store.Open(t.TempDir())
	cmd := &exec.Cmd{Path: os.Args[0], Args: []string{"loadgen", "run", "../../examples/paracle/scenarios/mixed.yaml",
		"--profiles", "../../examples/paracle/profiles.yaml", "--profile", "smoke", "--target", srv.URL, "--results", filepath.Dir(filepath.Dir(st.Dir("x"))),
		"--sla", "../../examples/paracle/demo/sla.yaml", "--run", "killed"}, Env: append(os.Environ(), "TEST_PASSWORD=test_password"), Stderr: os.Stderr}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitLoad(t, st)
	if _, err := embedded.Open(st.Recording("killed")); !errors.Is(err, embedded.ErrLive) {
		t.Errorf("opening a live recording: got %v, want ErrLive", err)
	}
	if rep := reportOn(t, st); rep.Run.State != run.Running {
		t.Errorf("report of a live run: got state %s, want running", rep.Run.State)
	} else if problems := rep.Run.Generators.Problems(); len(problems) > 0 {
		t.Errorf("report of a live run: got %q, but its generator only tells at the end", problems)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("loadgen ended by itself")
	}
	if !embedded.Abandoned(st.Recording("killed")) {
		t.Error("that the run was killed is not seen before it is reported on")
	}
	for range 2 { // the first reader recovers, the second finds it sealed
		if rep := reportOn(t, st); rep.Run.State != run.Aborted || len(rep.Run.Generators.Problems()) == 0 {
			t.Errorf("report of a killed run: got state %s and generators %+v, want aborted and that its own is missing", rep.Run.State, rep.Run.Generators)
		}
	}
}

// reportOn reports on the run, which must not pass and have counted requests.
func reportOn(t *testing.T, st *store.Store) report.Report {
	t.Helper()
	rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), "killed", analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Verdict == slo.Pass || rep.Verdict == slo.Warn {
		t.Errorf("got verdict %s, want no pass", rep.Verdict)
	}
	if n := len(rep.Requests); n == 0 || rep.Requests[n-1].Requests == 0 {
		t.Error("got no requests, want those so far")
	}
	return rep
}

// awaitLoad waits until the run is registered and its requests are in the recording.
func awaitLoad(t *testing.T, st *store.Store) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		r, err := st.Load("killed")
		if err != nil {
			continue // not registered
		}
		live, err := promql.NewClient(r.Source.Live, config.DefaultHTTPClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := live.Query(t.Context(), "sum(increase(loadgen_requests_total[1m])) > 0", time.Now()); err == nil && len(res.Series) > 0 {
			return
		}
	}
	t.Fatal("no load was recorded")
}
