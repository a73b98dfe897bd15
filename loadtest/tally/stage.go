package tally

// The stages of a run: its phases in which requests are due.
const (
	StageLoad    = "load"
	StageSteady  = "steady"
	StageRollout = "rollout"
	StageScaling = "scaling"
	StageSettle  = "settle"
	StageTail    = "tail"
)

// StageNames returns the stages in their order: a load has the first alone, an
// upgrade the others.
func StageNames() []string {
	return []string{StageLoad, StageSteady, StageRollout, StageScaling, StageSettle, StageTail}
}
