// Package run carries a run through its phases: it starts the observer, the
// lanes and the upgrade's command, waits for what each phase is for, and hands
// all that was seen to the verdict. It neither judges nor writes reports.
package run

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"rollproof/loadtest/attack"
	"rollproof/loadtest/cases"
	"rollproof/loadtest/objectives"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/verdict"
)

// The lanes' names.
const (
	LaneNew        = "new"
	LaneReused     = "reused"
	LaneHot        = "hot"
	LaneSlowNew    = verdict.SlowNew
	LaneSlowReused = verdict.SlowReused
	LaneStep       = verdict.StepLane
)

// LaneNames returns the names of all lanes.
func LaneNames() []string {
	return []string{LaneNew, LaneReused, LaneHot, LaneSlowNew, LaneSlowReused, LaneStep}
}

// Config is what a run is told. Its JSON goes into the report as the settings.
type Config struct {
	URL        string                `json:"url"`
	Out        string                `json:"out"`
	Service    cases.Service         `json:"-"`
	Objectives objectives.Objectives `json:"-"`
	// Cluster is what is watched, through Client and in Namespace; without one
	// (nil) only a steady load can be sent.
	Cluster   *observe.Target      `json:"cluster,omitempty"`
	Client    kubernetes.Interface `json:"-"`
	Namespace string               `json:"-"`

	// Protocol carries the requests; a service over gRPC decides it by itself.
	Protocol attack.Protocol `json:"protocol,omitempty"`
	GRPC     bool            `json:"grpc,omitempty"`
	TLS      *tls.Config     `json:"-"`
	Insecure bool            `json:"insecure,omitempty"` // the service's certificate is not checked
	// Header is sent with each request, SlowHeader with the slow ones besides. Their
	// values may be secrets: only the names are told, in Headers.
	Header        http.Header `json:"-"`
	SlowHeader    http.Header `json:"-"`
	Headers       []string    `json:"headers,omitempty"`
	PodHeader     string      `json:"pod_header,omitempty"`
	VersionHeader string      `json:"version_header,omitempty"`
	Warnings      []string    `json:"-"` // of the settings; the run's come besides

	NewRate        float64             `json:"new_rate"`
	ReusedRate     float64             `json:"reused_rate"`
	SlowNewRate    float64             `json:"slow_new_rate,omitempty"`
	SlowReusedRate float64             `json:"slow_reused_rate,omitempty"`
	SlowRows       int                 `json:"slow_rows,omitempty"`
	HotConnections int                 `json:"hot_connections"`
	HotHold        objectives.Duration `json:"hot_hold"`
	StepRate       float64             `json:"step_rate,omitempty"`
	StepRows       int                 `json:"step_rows,omitempty"`
	StepLanes      int                 `json:"step_lanes,omitempty"`
	StepRaise      objectives.Duration `json:"step_raise,omitempty"`
	Timeout        objectives.Duration `json:"timeout"`
	MaxWorkers     int                 `json:"max_workers"`

	PreflightTimeout objectives.Duration `json:"preflight_timeout"`
	Duration         objectives.Duration `json:"duration,omitempty"` // steady load
	Steady           objectives.Duration `json:"steady,omitempty"`   // and from here on upgrade
	StepTimeout      objectives.Duration `json:"step_timeout,omitempty"`
	RolloutTimeout   objectives.Duration `json:"rollout_timeout,omitempty"`
	ChangeTimeout    objectives.Duration `json:"change_timeout,omitempty"`
	SettleTimeout    objectives.Duration `json:"settle_timeout,omitempty"`
	Tail             objectives.Duration `json:"tail,omitempty"`
	CommandGrace     objectives.Duration `json:"command_grace,omitempty"`
	FromVersion      string              `json:"from_version,omitempty"`
	ToVersion        string              `json:"to_version,omitempty"`
	Command          []string            `json:"command,omitempty"`
}

// DefaultLoad returns the defaults of a steady load.
func DefaultLoad() Config {
	return Config{
		NewRate: 200, ReusedRate: 200, SlowNewRate: 5, SlowReusedRate: 5, SlowRows: 500, HotConnections: 64, HotHold: seconds(0.1),
		Timeout: seconds(10), MaxWorkers: 4000,
		PreflightTimeout: seconds(30), Duration: seconds(30),
	}
}

// DefaultUpgrade returns the defaults of an upgrade.
func DefaultUpgrade() Config {
	c := DefaultLoad()
	c.Duration = 0
	c.PreflightTimeout = seconds(180)
	c.StepRate, c.StepRows, c.StepTimeout = 125, 500, seconds(240)
	c.StepLanes, c.StepRaise = 3, seconds(40)
	c.Steady, c.Tail = seconds(20), seconds(5)
	c.ChangeTimeout, c.RolloutTimeout, c.SettleTimeout = seconds(15), seconds(300), seconds(180)
	c.CommandGrace = seconds(30)
	return c
}

func seconds(s float64) objectives.Duration {
	return objectives.Duration(s * float64(time.Second))
}

// Check refuses a configuration that cannot be run.
func (c *Config) Check() error {
	u, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--url %q: want http://HOST:PORT or https://HOST:PORT, without a user or a query", u.Redacted())
	}
	if c.HotConnections < 0 || (c.StepRate > 0 && c.StepRows < 1) || c.StepRate < 0 || c.NewRate <= 0 || c.ReusedRate <= 0 {
		return fmt.Errorf("rates of lanes new (%v) and reused (%v) and --step-rows (%d) must be above 0, --step-rate (%v) and --hot-connections (%d) not below 0",
			c.NewRate, c.ReusedRate, c.StepRows, c.StepRate, c.HotConnections)
	}
	if c.SlowNewRate < 0 || c.SlowReusedRate < 0 || (c.SlowNewRate+c.SlowReusedRate > 0 && c.SlowRows < 1) {
		return fmt.Errorf("rates of lanes %s (%v) and %s (%v) must not be below 0, --slow-rows (%d) above it",
			LaneSlowNew, c.SlowNewRate, LaneSlowReused, c.SlowReusedRate, c.SlowRows)
	}
	known := c.Service.Versions()
	for _, v := range []string{c.FromVersion, c.ToVersion} {
		if v != "" && known != nil && !slices.Contains(known, v) {
			return fmt.Errorf("version %q has no goldens: the cases file has %v", v, known)
		}
	}
	lanes := c.lanes()
	if c.StepRate > 0 {
		lanes = append(lanes, c.stepLane(1))
	}
	for _, l := range lanes {
		if err := l.Check(); err != nil {
			return err
		}
	}
	return nil
}

// CheckUpgrade refuses an upgrade that cannot be run.
func (c *Config) CheckUpgrade() error {
	switch {
	case len(c.Command) == 0:
		return fmt.Errorf("no command: write it after --, for example -- kubectl set image deployment/NAME CONTAINER=IMAGE")
	case c.Cluster == nil:
		return fmt.Errorf("--deployment or --statefulset: an upgrade is proven by watching one")
	case !c.Service.TellsVersion() && c.FromVersion+c.ToVersion != "":
		return fmt.Errorf("--from-version and --to-version: answers tell no version: want --version-header or --version-path, or neither of them")
	case c.Service.TellsVersion() && (c.FromVersion == "" || c.ToVersion == ""):
		return fmt.Errorf("--from-version and --to-version: both are wanted")
	case c.FromVersion == c.ToVersion && c.FromVersion != "":
		return fmt.Errorf("--from-version and --to-version are both %q: nothing would change", c.FromVersion)
	}
	if c.StepRate > 0 && (c.StepLanes < 1 || c.StepRaise <= 0) {
		return fmt.Errorf("--step-lanes (%d) must be 1 or more and --step-raise (%v) above 0", c.StepLanes, c.StepRaise.D())
	}
	// Before the load, so that a slip of the pen costs no time.
	if _, err := exec.LookPath(c.Command[0]); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	return c.Check()
}

// stepBatches is how many different bodies the step lane rotates through: with
// 200 rows each they walk through all rows several times.
const stepBatches = 16

// slowBatches is how many different bodies a slow lane rotates through.
const slowBatches = 16

// base returns what all lanes have in common.
func (c *Config) base() attack.Config {
	return attack.Config{
		URL: c.URL, Timeout: c.Timeout.D(), Workers: c.MaxWorkers, BatchRows: 1, Batches: c.Service.Size(),
		Protocol: c.Protocol, TLS: c.TLS, Header: c.Header, PodHeader: c.PodHeader, VersionHeader: c.VersionHeader,
	}
}

// lanes returns the lanes that run throughout.
func (c *Config) lanes() []attack.Config {
	base := c.base()
	fresh, reused, hot := base, base, base
	fresh.Name, fresh.Rate = LaneNew, c.NewRate
	reused.Name, reused.Rate, reused.KeepAlive = LaneReused, c.ReusedRate, true
	hot.Name, hot.KeepAlive, hot.ClosedLoop = LaneHot, true, true
	hot.Workers, hot.Hold = c.HotConnections, c.HotHold.D()
	out := []attack.Config{fresh, reused}
	if c.HotConnections > 0 {
		out = append(out, hot)
	}
	slow := base
	slow.BatchRows, slow.Header = c.SlowRows, joined(c.Header, c.SlowHeader)
	if slow.BatchRows > 1 {
		slow.Batches = slowBatches
	}
	if c.SlowNewRate > 0 {
		slow.Name, slow.Rate = LaneSlowNew, c.SlowNewRate
		out = append(out, slow)
	}
	if c.SlowReusedRate > 0 {
		slow.Name, slow.Rate, slow.KeepAlive = LaneSlowReused, c.SlowReusedRate, true
		out = append(out, slow)
	}
	return out
}

// joined returns a header with what over has instead or besides.
func joined(header, over http.Header) http.Header {
	if len(over) == 0 {
		return header
	}
	out := header.Clone()
	if out == nil {
		out = http.Header{}
	}
	for name, values := range over {
		out[name] = values
	}
	return out
}

// stepLane returns the n-th of the lanes that make the step, from 1.
func (c *Config) stepLane(n int) attack.Config {
	name := LaneStep
	if n > 1 {
		name = fmt.Sprintf("%s-%d", LaneStep, n)
	}
	step := c.base()
	step.Name, step.Rate, step.BatchRows, step.Batches = name, c.StepRate, c.StepRows, stepBatches
	return step
}
