// Karpenter, the real one, on nodes that kwok plays.
//
// What differs from Karpenter on AWS is the cloud and nothing else: instance types and prices come from a
// file, spot can be taken away by another file, and an EC2NodeClass is ready at once, since there are no
// machine images or subnets to find.
package main

import (
	"github.com/samber/lo"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
)

func main() {
	ctx, op := newOperator(ctrl.SetupSignalHandler())
	settings := lo.Must(readSettings())
	clock := hurriedClock{Clock: op.Clock, speed: settings.speed}
	market := lo.Must(openMarket(ctx, op.GetClient(), settings))
	cluster := state.NewCluster(clock, op.GetClient(), market)
	built := controllers.NewControllers(
		ctx, op.Manager, clock, op.GetClient(), op.EventRecorder, market, market, cluster, op.InstanceTypeStore)
	built = hurry(built, op, clock, market)
	op.WithControllers(ctx, append(built, &nodeClassReadiness{client: op.GetClient()})...)
	if err := op.Manager.Start(ctx); err != nil {
		log.FromContext(ctx).Error(err, "Karpenter ended")
		panic(err)
	}
}
