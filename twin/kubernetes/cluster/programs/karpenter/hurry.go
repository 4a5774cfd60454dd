package main

import (
	"context"
	"time"

	"github.com/awslabs/operatorpkg/controller"
	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/karpenter/pkg/controllers/disruption"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination"
	"sigs.k8s.io/karpenter/pkg/controllers/node/termination/terminator"
	"sigs.k8s.io/karpenter/pkg/operator"
)

// A simulation runs its load faster than the wall clock. What Karpenter waits for is divided by that speed
// here, in one place; what it decides is not touched.

// hurriedClock tells the time of the wall clock, so that it agrees with every timestamp in the cluster, and
// ends waits sooner.
type hurriedClock struct {
	clock.Clock
	speed float64
}

func (c hurriedClock) shorter(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) / c.speed)
}

func (c hurriedClock) After(wait time.Duration) <-chan time.Time {
	return c.Clock.After(c.shorter(wait))
}
func (c hurriedClock) NewTimer(wait time.Duration) clock.Timer {
	return hurriedTimer{c.Clock.NewTimer(c.shorter(wait)), c}
}
func (c hurriedClock) Sleep(wait time.Duration) { c.Clock.Sleep(c.shorter(wait)) }

type hurriedTimer struct {
	clock.Timer
	clock hurriedClock
}

func (t hurriedTimer) Reset(wait time.Duration) bool { return t.Timer.Reset(t.clock.shorter(wait)) }

// drainClock also lets the time since an event pass faster: a node that drains is kept for five seconds of it.
type drainClock struct{ hurriedClock }

func (c drainClock) Since(then time.Time) time.Duration {
	return time.Duration(float64(c.Clock.Since(then)) * c.speed)
}

// hurry replaces the controllers that wait by other means than the clock they are given.
func hurry(built []controller.Controller, op *operator.Operator, clock hurriedClock, cloud *market) []controller.Controller {
	var evictions *terminator.Queue
	for _, each := range built {
		if queue, is := each.(*terminator.Queue); is {
			evictions = queue
		}
	}
	for index, each := range built {
		switch found := each.(type) {
		case *disruption.Controller:
			built[index] = hurriedDisruption{found, clock}
		case *termination.Controller:
			terminates := terminator.NewTerminator(clock, op.GetClient(), evictions, op.EventRecorder)
			built[index] = termination.NewController(drainClock{clock}, op.GetClient(), cloud, terminates, op.EventRecorder)
		}
	}
	return built
}

// hurriedDisruption looks for nodes to remove more often than every ten seconds.
type hurriedDisruption struct {
	*disruption.Controller
	clock hurriedClock
}

func (c hurriedDisruption) Register(_ context.Context, manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

func (c hurriedDisruption) Reconcile(ctx context.Context) (reconciler.Result, error) {
	result, err := c.Controller.Reconcile(ctx)
	if wait := c.clock.shorter(result.RequeueAfter); result.RequeueAfter > 0 {
		result.RequeueAfter = max(wait, 100*time.Millisecond)
	}
	return result, err
}
