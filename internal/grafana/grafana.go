// Package grafana brings a folder, a data source, dashboards and the annotation
// of a run into a Grafana, through its HTTP API. Doing it again changes nothing,
// and what a person changed there is kept.
package grafana

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"
	promconfig "github.com/prometheus/common/config"
)

// A Client speaks to one Grafana.
type Client struct {
	url string
	api *gapi.Client
}

// Options say how to speak to a Grafana.
type Options struct {
	URL string // base URL, without credentials
	// HTTP holds authentication and TLS in Prometheus' own form: a service
	// account's token as credentials, or basic_auth.
	HTTP promconfig.HTTPClientConfig
	// OrgID is the organisation, for basic auth; a token belongs to one. 0: the user's own.
	OrgID int64
}

// requestTimeout is how long Grafana may take to answer.
const requestTimeout = 30 * time.Second

// oldest is the first major version whose panels the dashboards use.
const oldest = 9

// Dial makes a Client and finds out whether a Grafana of a version that will do answers there.
// The client's requests end with ctx.
func Dial(ctx context.Context, o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("grafana %q: want a URL such as http://127.0.0.1:3000", o.URL)
	}
	if base.User != nil {
		return nil, fmt.Errorf("grafana %s: give the credentials by a file or the environment, not in the URL", base.Redacted())
	}
	transport, err := promconfig.NewRoundTripperFromConfig(o.HTTP, "plumbline")
	if err != nil {
		return nil, fmt.Errorf("grafana %s: %w", o.URL, err)
	}
	api, err := gapi.New(o.URL, gapi.Config{OrgID: o.OrgID, Client: &http.Client{Transport: bound{ctx, transport}, Timeout: requestTimeout}})
	if err != nil {
		return nil, fmt.Errorf("grafana %s: %w", o.URL, err)
	}
	c := &Client{url: strings.TrimSuffix(o.URL, "/"), api: api}
	return c, c.checkVersion()
}

// bound lets requests end with a context, which the API's client can't pass on.
type bound struct {
	ctx  context.Context //nolint:containedctx // see above
	next http.RoundTripper
}

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	context.AfterFunc(b.ctx, func() { cancel(context.Cause(b.ctx)) })
	return b.next.RoundTrip(r.WithContext(ctx))
}

func (c *Client) checkVersion() error {
	health, err := c.api.Health()
	if err != nil {
		return c.explain("read /api/health", err)
	}
	major, _, _ := strings.Cut(health.Version, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil:
		return fmt.Errorf("grafana %s: it answers /api/health, but not as a Grafana does; is the URL right?", c.url)
	case n < oldest:
		return fmt.Errorf("grafana %s: it is version %s, and the dashboards need %d or newer", c.url, health.Version, oldest)
	}
	return nil
}

// A refusal is an answer of Grafana's API that is no success.
type refusal struct {
	status  int
	message string
}

var (
	refusalForm = regexp.MustCompile(`(?s)^status: (\d+), body: (.*)$`)
	messageForm = regexp.MustCompile(`"message"\s*:\s*"((?:[^"\\]|\\.)*)"`)
)

// refusalOf reads a refusal out of an error of the API's client, which has it only as text.
func refusalOf(err error) (r refusal, ok bool) {
	m := refusalForm.FindStringSubmatch(err.Error())
	if m == nil {
		return refusal{}, false
	}
	r.status, _ = strconv.Atoi(m[1]) // digits, by the form
	r.message = m[2]
	if said := messageForm.FindStringSubmatch(m[2]); said != nil {
		r.message = strings.ReplaceAll(said[1], `\"`, `"`)
	}
	const most = 200
	if len(r.message) > most {
		r.message = r.message[:most] + "…"
	}
	return r, true
}

func isMissing(err error) bool {
	r, ok := refusalOf(err)
	return ok && r.status == http.StatusNotFound
}

// explain names the step that failed, what Grafana said, and what can be done.
func (c *Client) explain(step string, err error) error { return c.explainConflict(step, err, "") }

// explainConflict also says what to do when something else is in the way.
func (c *Client) explainConflict(step string, err error, resolve string) error {
	r, refused := refusalOf(err)
	if !refused {
		var unreached *url.Error
		if errors.As(err, &unreached) {
			return fmt.Errorf("grafana %s: %s: %w; is Grafana running there?", c.url, step, unreached.Err)
		}
		return fmt.Errorf("grafana %s: %s: %w", c.url, step, err)
	}
	what := fmt.Sprintf("grafana %s: %s: %s (status %d)", c.url, step, r.message, r.status)
	for _, hint := range []struct {
		when bool
		do   string
	}{
		{r.status == http.StatusUnauthorized, "give a service account's token, or a user and password, that are valid there"},
		{r.status == http.StatusForbidden && strings.Contains(r.message, "datasources:"), "this needs the role Admin; or let an admin make the data source, and name it by its uid"},
		{r.status == http.StatusForbidden, "the token's role must be Editor or Admin"},
		{strings.Contains(r.message, "provisioned dashboard"), "it was provisioned from files; change it there"},
		{resolve != "" && (r.status == http.StatusBadRequest || r.status == http.StatusConflict || r.status == http.StatusPreconditionFailed), resolve},
		{r.status == http.StatusNotFound, "is the URL Grafana's base URL?"},
		{r.status >= http.StatusInternalServerError, "Grafana's own log tells more"},
	} {
		if hint.when {
			return fmt.Errorf("%s; %s", what, hint.do)
		}
	}
	return errors.New(what)
}
