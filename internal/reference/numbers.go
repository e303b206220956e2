package reference

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// Numbers are what a document tells of a run, and what is made into series. All
// are in base units: seconds, bytes, ratios.
type Numbers struct {
	Run        RunNumbers        `yaml:"run"`
	Labels     Labels            `yaml:"labels"`
	Throughput Throughput        `yaml:"throughput"`
	Latency    Latency           `yaml:"latency"`
	Requests   []Request         `yaml:"requests"`
	Errors     []Errors          `yaml:"errors"`
	Pods       Pods              `yaml:"pods"`
	Database   Database          `yaml:"database"`
	Redis      Redis             `yaml:"redis"`
	LLM        LLM               `yaml:"llm"`
	Baseline   map[string]string `yaml:"baseline"` // declared values by objective id
}

// RunNumbers say what was tested, and when.
type RunNumbers struct {
	ID          string              `yaml:"id"`
	Service     string              `yaml:"service"`
	Scenario    string              `yaml:"scenario"`
	Profile     string              `yaml:"profile"`
	Target      string              `yaml:"target"`
	Start       instant             `yaml:"start"`
	Duration    strictyaml.Duration `yaml:"duration"`
	Scrape      strictyaml.Duration `yaml:"scrape"`
	Users       int                 `yaml:"users"`
	SpawnRate   float64             `yaml:"spawn_rate"`
	Think       float64             `yaml:"mean_think_seconds"`
	Labels      map[string]string   `yaml:"labels"`
	Environment map[string]string   `yaml:"environment"`
	Baseline    string              `yaml:"baseline"` // its name
}

// An instant is a time as YAML writes it.
type instant struct{ time.Time }

// UnmarshalYAML reads a time such as 2026-01-18T12:00:00Z.
func (i *instant) UnmarshalYAML(n *yaml.Node) error {
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		return fmt.Errorf("want a time such as 2026-01-18T12:00:00Z, got %q", n.Value)
	}
	i.Time = t.UTC()
	return nil
}

// Labels name the labels of the service's own metrics, which differ from house to house.
type Labels struct {
	Endpoint string `yaml:"endpoint"`
	Method   string `yaml:"method"`
	Status   string `yaml:"status"`
	Pod      string `yaml:"pod"`
	Provider string `yaml:"provider"`
}

// Throughput is the requests of the whole run, the highest sliding minute and
// the lowest sliding ten minutes of the steady window, in requests per second.
type Throughput struct {
	Total     int     `yaml:"total"`
	Peak      float64 `yaml:"peak_minute"`
	PeakAt    float64 `yaml:"peak_at_seconds"` // middle of the peak, from the start
	Sustained float64 `yaml:"sustained"`
}

// Latency is the distribution of the time that the service takes.
type Latency struct {
	Quantiles []Knot  `yaml:"quantiles"` // rising in both
	Least     float64 `yaml:"least"`
	Mean      float64 `yaml:"mean"`
	Max       float64 `yaml:"max"`
	Client    float64 `yaml:"client_adds"` // what the way to the client adds
}

// A Knot is a point of a distribution: the share q of the values lies below At.
type Knot struct {
	Q  float64 `yaml:"q"`
	At float64 `yaml:"at"`
}

// A Request is one of the scenario's.
type Request struct {
	Name     string  `yaml:"name"`
	Method   string  `yaml:"method"`
	Endpoint string  `yaml:"endpoint"`
	Weight   float64 `yaml:"weight"`
	Count    int     `yaml:"count"`   // of requests that users send once, at their start; else by weight
	Typical  float64 `yaml:"typical"` // its median, about: how the times are shared out
	Spread   float64 `yaml:"spread"`  // standard deviation of the logarithm of its times, about
	Bursts   bool    `yaml:"bursts"`  // more of it than of others in the peak
	Hot      bool    `yaml:"hot"`     // the hot pods get more of it
	LLM      float64 `yaml:"llm"`     // its share in the calls of providers
}

// Errors are failed requests of one kind.
type Errors struct {
	Request string `yaml:"request"`
	Status  string `yaml:"status"`
	Count   int    `yaml:"count"`
	Timeout bool   `yaml:"timeout"` // the client had given up by then
}

// A Usage is a row of a resource table. Average is over series and time, Peak the
// highest value of the highest series, both in the steady window.
type Usage struct {
	Average float64 `yaml:"average"`
	Peak    float64 `yaml:"peak"`
	Limit   float64 `yaml:"limit"`
	From    float64 `yaml:"from"` // with To: it grows steadily, and Average and Peak follow from that
	To      float64 `yaml:"to"`
}

func (u Usage) grows() bool { return u.To != 0 }

// Pods are the replicas of the service.
type Pods struct {
	Prefix     string  `yaml:"prefix"`
	Count      int     `yaml:"count"`
	Hot        int     `yaml:"hot"`         // how many get more than their share
	HotAverage float64 `yaml:"hot_average"` // CPU of these
	Cores      float64 `yaml:"cores"`       // limit of each
	Pool       float64 `yaml:"pool"`        // database connections that each may open
	CPU        Usage   `yaml:"cpu"`         // of the limit
	Memory     Usage   `yaml:"memory"`
	NetworkIn  Usage   `yaml:"network_in"`
	NetworkOut Usage   `yaml:"network_out"`
}

// Database is the one PostgreSQL.
type Database struct {
	Cores       int     `yaml:"cores"`
	TotalMemory float64 `yaml:"total_memory"`
	CPU         Usage   `yaml:"cpu"`
	Memory      Usage   `yaml:"memory"`
	IOPS        Usage   `yaml:"iops"`
	Connections Usage   `yaml:"connections"`
	Active      Usage   `yaml:"active_queries"`
	QueryP95    Usage   `yaml:"query_p95"`
	PerRequest  float64 `yaml:"queries_per_request"`
	Slow        int     `yaml:"slow_queries"` // that took longer than a second
}

// Redis is the shards of the cache.
type Redis struct {
	Shards  int   `yaml:"shards"`
	CPU     Usage `yaml:"cpu"`
	Memory  Usage `yaml:"memory"` // of all shards; the limit is of each
	Ops     Usage `yaml:"ops"`
	Latency Usage `yaml:"latency"`
}

// LLM is the calls of language models.
type LLM struct {
	Tokens         float64    `yaml:"tokens"`
	TokensPerMin   float64    `yaml:"tokens_per_minute_limit"`
	Providers      []Provider `yaml:"providers"`
	LongestSeconds float64    `yaml:"longest"`
}

// A Provider is one of those who run language models.
type Provider struct {
	Name    string  `yaml:"name"`
	Count   int     `yaml:"requests"`
	Mean    float64 `yaml:"mean"`
	P95     float64 `yaml:"p95"`
	Errors  int     `yaml:"errors"`
	Limited int     `yaml:"rate_limited"`
}

type numbersFile struct {
	strictyaml.Header `yaml:",inline"`
	Numbers           `yaml:",inline"`
}

// Parse reads a file of numbers. The error holds every mistake with its place.
func Parse(name string, text []byte) (Numbers, error) {
	var f numbersFile
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		return append(f.Header.Problems(at, "ReferenceRun"), f.problems(at)...)
	})
	return f.Numbers, err
}

func (n Numbers) problems(at strictyaml.Path) (ps strictyaml.Problems) {
	if err := run.CheckID(n.Run.ID); err != nil {
		ps.Addf(at.Field("run").Field("id"), "%v", err)
	}
	if n.Run.Scrape <= 0 || time.Duration(n.Run.Duration) < time.Minute {
		ps.Addf(at.Field("run"), "want a scrape interval and a duration of a minute or more")
	}
	if n.Throughput.Total <= 0 || len(n.Requests) == 0 || n.Pods.Count <= 0 || n.Redis.Shards <= 0 {
		ps.Addf(at, "want a throughput, requests, pods and shards")
	}
	before := Knot{}
	for i, k := range n.Latency.Quantiles {
		if k.Q <= before.Q || k.At <= before.At || k.Q >= 1 {
			ps.Addf(at.Field("latency").Field("quantiles").Index(i), "quantiles must not decrease: %v at %v s comes after %v at %v s", k.Q, k.At, before.Q, before.At)
		}
		before = k
	}
	names := map[string]bool{}
	for _, r := range n.Requests {
		names[r.Name] = true
	}
	for i, e := range n.Errors {
		if !names[e.Request] {
			ps.Addf(at.Field("errors").Index(i).Field("request"), "there is no request %q", e.Request)
		}
	}
	return ps
}
