package reference

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

const guideFile = "../../examples/paracle/reference/guide.yaml"

func guide(tb testing.TB) Numbers {
	tb.Helper()
	text, err := os.ReadFile(guideFile)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := Parse(guideFile, text)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestParseNamesMistakes(t *testing.T) {
	text, err := os.ReadFile(guideFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, now, want string }{
		{"the guide's 90 %", "    - {q: 0.95, at: 0.423}", "    - {q: 0.90, at: 0.512}\n    - {q: 0.95, at: 0.423}", "quantiles must not decrease: 0.95 at 0.423 s comes after 0.9 at 0.512 s"},
		{"a name with a typo", "peak_minute:", "peak_minut:", "unknown key; did you mean peak_minute?"},
		{"errors of a request that isn't there", "{request: Workflow - Execution, status: \"503\"", "{request: Workflow, status: \"503\"", `there is no request "Workflow"`},
		{"a time that is none", "2026-01-18T12:00:00Z", "yesterday", "want a time such as"},
		{"an id that leads elsewhere", "id: PERF-2026-01-18-001", "id: ../../etc", "run id"},
	} {
		changed := strings.Replace(string(text), tt.old, tt.now, 1)
		if changed == string(text) {
			t.Fatalf("%s: %q is not in the file", tt.name, tt.old)
		}
		if _, err := Parse("n.yaml", []byte(changed)); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "n.yaml:") {
			t.Errorf("%s: got %v, want %s with its place", tt.name, err, tt.want)
		}
	}
}

// The load has the wanted total, and the wanted highest minute and lowest ten minutes.
func TestLoad(t *testing.T) {
	c := newClock(guide(t).Run)
	for _, want := range []Throughput{
		{Total: 1847293, Peak: 1456.2, PeakAt: 1000, Sustained: 1010.3},
		{Total: 2000000, Peak: 1800, PeakAt: 1100, Sustained: 1050},
		{Total: 905000, Peak: 700, PeakAt: 950, Sustained: 495},
	} {
		got, err := load(c, want)
		if err != nil {
			t.Fatal(err)
		}
		values := floats(got)
		peak := highest(values, 12) / 60
		least := -highest(negative(values[c.ramp:c.window]), 120) / 600
		if sum(got) != want.Total || math.Abs(peak/want.Peak-1) > 1e-3 || math.Abs(least/want.Sustained-1) > 1e-3 {
			t.Errorf("got total %d, peak %.1f, sustained %.1f; want %+v", sum(got), peak, least, want)
		}
		low, high := -highest(negative(values[c.ramp:c.window]), 1), highest(values, 1)
		if high/low < 1.5 {
			t.Errorf("got intervals from %v to %v, want them to differ by 1.5× so that demand can be told", low, high)
		}
	}
	if _, err := load(c, Throughput{Total: 1847293, Peak: 9000, PeakAt: 1000, Sustained: 1010.3}); err == nil {
		t.Error("a peak that leaves too little for the rest: got no error")
	}
}

// A histogram of the distribution gives the wanted quantiles and mean back.
func TestShape(t *testing.T) {
	base := guide(t).Latency
	for _, p95 := range []float64{.423, .43, .5, .6, .623} {
		want := base
		if p95 > .45 {
			want.Mean = .24 // a longer tail, a longer mean
		}
		want.Quantiles = append([]Knot(nil), base.Quantiles...)
		for i := range want.Quantiles {
			if want.Quantiles[i].Q == .95 {
				want.Quantiles[i].At = p95
			}
		}
		d := shapeOf(1e6, want, edges)
		gains := make([][]float64, len(edges))
		mean := 0.0
		for b, n := range d.counts {
			if n < -1e-9 {
				t.Fatalf("p95 %v: got %v values in a bucket", p95, n)
			}
			gains[b] = []float64{n}
			mean += n * d.at(b) / 1e6
		}
		for _, k := range want.Quantiles {
			if got := quantileOver(gains, edges, k.Q, 0, 1); math.Abs(got/k.At-1) > .005 {
				t.Errorf("p95 %v: got %v at %v, want %v", p95, got, k.Q, k.At)
			}
		}
		if math.Abs(mean/want.Mean-1) > 1e-6 || d.theta < .3 || d.theta > .7 {
			t.Errorf("p95 %v: got mean %v with values at %v of their buckets, want %v about their middle", p95, mean, d.theta, want.Mean)
		}
	}
}

func TestDitherKeepsTotals(t *testing.T) {
	var d dither
	wish := []float64{.3, 2.45, .25}
	seen := make([]int, 3)
	for range 1000 {
		for i, n := range d.split(wish, 3) {
			if n < 0 {
				t.Fatalf("got %d of part %d", n, i)
			}
			seen[i] += n
		}
	}
	for i, w := range wish {
		if math.Abs(float64(seen[i])-1000*w) > 1 {
			t.Errorf("part %d: got %d, want %v", i, seen[i], 1000*w)
		}
	}
}

func TestCalibrate(t *testing.T) {
	c := clock{step: 5 * time.Second, window: 100, ramp: 4, n: 101}
	for _, want := range []Usage{{Average: .62, Peak: .89}, {Average: 240, Peak: 380}, {Average: 15400, Peak: 28700}, {Average: .0008, Peak: .0021}} {
		shape := noise(3, c.n, .4)
		for i := range shape {
			shape[i] = 1 + .04*shape[i]
			if i > 60 && i < 70 {
				shape[i] += .4
			}
		}
		average, peak := c.meanRate(calibrate(shape, want, c.meanRate))
		if math.Abs(average/want.Average-1) > 1e-5 || math.Abs(peak/want.Peak-1) > 1e-5 {
			t.Errorf("got %v to %v, want %+v", average, peak, want)
		}
	}
}

func TestTooShortARunIsRefused(t *testing.T) {
	n := guide(t)
	n.Run.Duration = strictyaml.Duration(10 * time.Minute)
	if err := Write(t.TempDir(), n, nil); err == nil || !strings.Contains(err.Error(), "10m0s") {
		t.Errorf("got %v, want an error that says how long a run must be", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	n, dir := guide(b), b.TempDir()
	for b.Loop() {
		if err := Write(dir, n, nil); err != nil {
			b.Fatal(err)
		}
	}
}
