package catalog

import (
	"context"
	"fmt"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// A form asks a question so that its answer is right: by an expression and, where
// that rests on counters or histograms alone, by a reading of their increments,
// which gives the same.
type form struct {
	expr string
	of   []string // the selectors that are read
	read reader   // nil where only PromQL can tell
}

type reader func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error)

// rate is the window of every rate: a variable, so that charts take a short and
// values a long one.
const rate = "$rate"

// plain is a form that only PromQL can answer.
func plain(expr string) form { return form{expr: expr} }

func rates(counter string, by ...string) form {
	return form{
		promql.Rate(counter, rate, by...), []string{counter},
		func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error) {
			return m.Rate(ctx, of[0], by, w)
		},
	}
}

func share(part, whole string) form {
	return form{
		promql.Share(part, whole, rate), []string{part, whole},
		func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error) {
			return m.Share(ctx, of[0], of[1], nil, w)
		},
	}
}

func mean(histogram string, stored promql.HistogramForm, by ...string) form {
	return form{
		promql.Mean(histogram, stored, rate, by...), []string{histogram},
		func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error) {
			return m.Mean(ctx, of[0], stored, by, w)
		},
	}
}

func quantile(q float64, histogram string, stored promql.HistogramForm, by ...string) form {
	return form{
		promql.Quantile(q, histogram, stored, rate, by...), []string{histogram},
		func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error) {
			return m.Quantile(ctx, q, of[0], stored, by, w)
		},
	}
}

// dividedBy is a form in a unit that is so many times as large.
func (f form) dividedBy(n int) form {
	read := f.read
	f.expr = fmt.Sprintf("%s / %d", f.expr, n)
	f.read = func(ctx context.Context, m *promql.Meter, of []promql.Selector, w run.Window) (promql.Reading, error) {
		r, err := read(ctx, m, of, w)
		return r.DividedBy(n), err
	}
	return f
}
