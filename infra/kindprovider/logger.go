package kindprovider

import (
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"sigs.k8s.io/kind/pkg/log"
)

// kindLogger shows kind's own messages: its steps as the resource's status,
// its warnings as warnings.
type kindLogger struct{ to p.Logger }

func (l kindLogger) Warn(message string)            { l.to.Warning(strings.TrimSpace(message)) }
func (l kindLogger) Warnf(format string, a ...any)  { l.Warn(fmt.Sprintf(format, a...)) }
func (l kindLogger) Error(message string)           { l.to.Warning(strings.TrimSpace(message)) } // what fails is returned as an error too
func (l kindLogger) Errorf(format string, a ...any) { l.Error(fmt.Sprintf(format, a...)) }

func (l kindLogger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return kindSteps(l)
}

type kindSteps struct{ to p.Logger }

func (kindSteps) Enabled() bool                   { return true }
func (l kindSteps) Info(message string)           { l.to.InfoStatus(strings.TrimSpace(message)) }
func (l kindSteps) Infof(format string, a ...any) { l.Info(fmt.Sprintf(format, a...)) }
