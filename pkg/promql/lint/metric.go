package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// kind is what a metric's name says of its type.
type kind int

const (
	unknown kind = iota
	gauge
	counter
	bucket // of a classic histogram; a counter too
	total  // _sum of a histogram or summary; a counter too
	count  // _count of a histogram or summary; a counter too
)

func (k kind) counts() bool { return k >= counter }

// Names that their suffix does not tell.
var (
	countersWithoutSuffix = regexp.MustCompile(`^(nginx_ingress_controller_requests|envoy_cluster_upstream_rq(_xx)?|envoy_http_downstream_rq(_xx)?)$`)
	knownGauges           = regexp.MustCompile(`^(up|node_load\d+|node_memory_\w+_bytes|node_filesystem_\w+_bytes|` +
		`container_memory_(usage|working_set|max_usage)_bytes|container_memory_(rss|cache|swap)|container_spec_\w+|kube_\w+_(limits|requests|replicas)|` +
		`pg_settings_\w+|pg_stat_activity_\w+|redis_memory_\w+_bytes|redis_connected_\w+|redis_db_keys|go_goroutines|go_threads|` +
		`process_(resident|virtual)_memory_bytes|process_open_fds|process_max_fds|process_start_time_seconds|` +
		`loadgen_users|loadgen_in_flight|\w+_uptime_seconds_total|hikaricp_connections\w*|jvm_memory_\w+_bytes|` +
		`k6_vus|k6_vus_max|k6_\w+_rate|k6_\w+_(p\d+|avg|min|max|med))$`)
	gaugeSuffix = regexp.MustCompile(`_(ratio|celsius|percent|info|in_flight|inflight|in_use|idle|limit|capacity|` +
		`used_bytes|free_bytes|usage_bytes|available_bytes|users|goroutines|depth|utilization)$`)
	measured   = regexp.MustCompile(`(seconds|milliseconds|microseconds|_ms|bytes|duration|latency|size|time)$`)
	requestish = regexp.MustCompile(`(request|response|http|rpc|latency|query|call)`)
	timed      = regexp.MustCompile(`(seconds|duration|latency|time|_ms)`)
	isQuantile = regexp.MustCompile(`(_p\d{2,3}|_quantile|:p\d{2,3}\w*|:quantile\w*)$`)
)

// metricOf is the name of the metric that a selector names; empty when it names none.
func metricOf(s *parser.VectorSelector) string {
	if s.Name != "" {
		return s.Name
	}
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// kindOf tells the type of a metric by its name, and by which others there are.
func (p *pass) kindOf(name string) kind {
	base := func(suffix string) (string, bool) { return strings.CutSuffix(name, suffix) }
	switch {
	case strings.Contains(name, ":"): // recorded by a rule: its name tells what it is made from
		return unknown
	case knownGauges.MatchString(name):
		return gauge
	case countersWithoutSuffix.MatchString(name):
		return counter
	}
	if b, ok := base("_total"); ok {
		if p.isCapacity(b) {
			return gauge
		}
		return counter
	}
	if _, ok := base("_bucket"); ok {
		return bucket
	}
	if b, ok := base("_sum"); ok && p.isHistogram(b) {
		return total
	}
	if b, ok := base("_count"); ok && p.isHistogram(b) {
		return count
	}
	if gaugeSuffix.MatchString(name) {
		return gauge
	}
	return unknown
}

// isCapacity tells whether base_total is how much there is of something, since
// the query also asks for base_used, base_free or the like.
func (p *pass) isCapacity(base string) bool {
	return slices.ContainsFunc(selectorsIn(p.root), func(s *parser.VectorSelector) bool {
		return capacityPart.MatchString(strings.TrimPrefix(metricOf(s), base))
	})
}

// capacityPart is what the parts of a capacity are called.
var capacityPart = regexp.MustCompile(`^_(used|usage|free|available|avail|healthy|unhealthy|idle|reserved|allocated)(_bytes)?$`)

// isHistogram tells whether base_sum and base_count are those of a histogram or summary.
func (p *pass) isHistogram(base string) bool {
	if p.query.Exists != nil && p.query.Exists(base+"_sum") && p.query.Exists(base+"_count") {
		return true
	}
	return measured.MatchString(base)
}

// baseOf is a histogram's base name.
func baseOf(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if b, ok := strings.CutSuffix(name, suffix); ok {
			return b
		}
	}
	return name
}

// unwrap takes off what changes nothing.
func unwrap(e parser.Expr) parser.Expr {
	for {
		switch v := e.(type) {
		case *parser.ParenExpr:
			e = v.Expr
		case *parser.StepInvariantExpr:
			e = v.Expr
		default:
			return e
		}
	}
}

// selectorsIn are the selectors below a node.
func selectorsIn(n parser.Node) (all []*parser.VectorSelector) {
	parser.Inspect(n, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = append(all, s)
		}
		return nil
	})
	return all
}

// isCall tells whether a node is a call of one of the functions.
func isCall(n parser.Node, names ...string) (*parser.Call, bool) {
	c, ok := n.(*parser.Call)
	if !ok || c.Func == nil {
		return nil, false
	}
	for _, name := range names {
		if c.Func.Name == name {
			return c, true
		}
	}
	return nil, false
}

// rateOf is the selector whose rate, per second or over the window, an expression is.
func rateOf(e parser.Expr) (*parser.Call, *parser.MatrixSelector, *parser.VectorSelector) {
	c, ok := isCall(unwrap(e), "rate", "irate", "increase")
	if !ok || len(c.Args) != 1 {
		return nil, nil, nil
	}
	m, ok := unwrap(c.Args[0]).(*parser.MatrixSelector)
	if !ok {
		return nil, nil, nil
	}
	s, ok := m.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return nil, nil, nil
	}
	return c, m, s
}

// number is the value of an expression of literals, such as 1024^3.
func number(e parser.Expr) (float64, bool) {
	switch v := unwrap(e).(type) {
	case *parser.NumberLiteral:
		return v.Val, true
	case *parser.UnaryExpr:
		x, ok := number(v.Expr)
		if v.Op == parser.SUB {
			x = -x
		}
		return x, ok
	case *parser.BinaryExpr:
		a, okA := number(v.LHS)
		b, okB := number(v.RHS)
		return apply(v.Op, a, b), okA && okB
	}
	return 0, false
}

// event is the name of a label that says how a request ended: that none ended so
// is no mistake.
var event = regexp.MustCompile(`(?i)(status|code|outcome|result|error|reason|success|exception|response|expected|quantile|^le$|state)`)
