// Package run carries a run through its phases: it starts the observer, the
// lanes and the upgrade's command, waits for what each phase is for, and hands
// all that was seen to the verdict. It neither judges nor writes reports.
package run

import (
	"fmt"
	"net/url"
	"os/exec"
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
	LaneNew    = "new"
	LaneReused = "reused"
	LaneHot    = "hot"
	LaneStep   = verdict.StepLane
)

// LaneNames returns the names of all lanes.
func LaneNames() []string { return []string{LaneNew, LaneReused, LaneHot, LaneStep} }

// Config is what a run is told. Its JSON goes into the report as the settings.
type Config struct {
	URL        string                `json:"url"`
	Out        string                `json:"out"`
	Cases      *cases.Set            `json:"-"`
	Objectives objectives.Objectives `json:"-"`
	// Cluster is what is watched, through Client and in Namespace; without one
	// (nil) only a steady load can be sent.
	Cluster   *observe.Target      `json:"cluster,omitempty"`
	Client    kubernetes.Interface `json:"-"`
	Namespace string               `json:"-"`

	NewRate        float64             `json:"new_rate"`
	ReusedRate     float64             `json:"reused_rate"`
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
		NewRate: 200, ReusedRate: 200, HotConnections: 64, HotHold: seconds(0.1),
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
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--url %q: want http://HOST:PORT or https://HOST:PORT, without a query", c.URL)
	}
	if c.HotConnections < 0 || (c.StepRate > 0 && c.StepRows < 1) || c.StepRate < 0 || c.NewRate <= 0 || c.ReusedRate <= 0 {
		return fmt.Errorf("rates of lanes new (%v) and reused (%v) and --step-rows (%d) must be above 0, --step-rate (%v) and --hot-connections (%d) not below 0",
			c.NewRate, c.ReusedRate, c.StepRows, c.StepRate, c.HotConnections)
	}
	for _, v := range []string{c.FromVersion, c.ToVersion} {
		if _, ok := c.Cases.Expected[v]; v != "" && !ok {
			return fmt.Errorf("version %q has no goldens: the cases file has %v", v, c.Cases.Versions())
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
		return fmt.Errorf("--deployment: an upgrade is proven by watching one")
	case c.FromVersion == "" || c.ToVersion == "":
		return fmt.Errorf("--from-version and --to-version: both are wanted")
	case c.FromVersion == c.ToVersion:
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

// lanes returns the lanes that run throughout.
func (c *Config) lanes() []attack.Config {
	base := attack.Config{
		URL: c.URL, Timeout: c.Timeout.D(), Workers: c.MaxWorkers, BatchRows: 1, Batches: len(c.Cases.Rows),
	}
	fresh, reused, hot := base, base, base
	fresh.Name, fresh.Rate = LaneNew, c.NewRate
	reused.Name, reused.Rate, reused.KeepAlive = LaneReused, c.ReusedRate, true
	hot.Name, hot.KeepAlive, hot.ClosedLoop = LaneHot, true, true
	hot.Workers, hot.Hold = c.HotConnections, c.HotHold.D()
	out := []attack.Config{fresh, reused}
	if c.HotConnections > 0 {
		out = append(out, hot)
	}
	return out
}

// stepLane returns the n-th of the lanes that make the step, from 1.
func (c *Config) stepLane(n int) attack.Config {
	name := LaneStep
	if n > 1 {
		name = fmt.Sprintf("%s-%d", LaneStep, n)
	}
	return attack.Config{
		Name: name, URL: c.URL, Timeout: c.Timeout.D(), Workers: c.MaxWorkers,
		Rate: c.StepRate, BatchRows: c.StepRows, Batches: stepBatches,
	}
}
