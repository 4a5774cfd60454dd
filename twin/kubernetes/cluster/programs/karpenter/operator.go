package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-logr/zapr"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/controllers/nodeoverlay"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	"sigs.k8s.io/karpenter/pkg/operator/options"
)

// newOperator does what operator.NewOperator does, except that it listens on loopback only: Karpenter's own
// serves metrics and health on every address of the machine.
func newOperator(ctx context.Context) (context.Context, *operator.Operator) {
	ctx = injection.WithOptionsOrDie(ctx, options.Injectables...)
	set := options.FromContext(ctx)
	logger := zapr.NewLogger(logging.NewLogger(ctx, "controller"))
	log.SetLogger(logger)
	klog.SetLogger(logger)
	ctx = log.IntoContext(ctx, logger)

	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = float32(set.KubeClientQPS), set.KubeClientBurst
	config.UserAgent = operator.AppName
	manager := lo.Must(ctrl.NewManager(config, ctrl.Options{
		Logger:                 logging.IgnoreDebugEvents(logger),
		Metrics:                metrics.Options{BindAddress: "0"},
		HealthProbeBindAddress: fmt.Sprintf("127.0.0.1:%d", set.HealthProbePort),
		BaseContext:            func() context.Context { return ctx },
	}))
	index(ctx, manager)
	lo.Must0(manager.AddReadyzCheck("caches", func(request *http.Request) error {
		if !manager.GetCache().WaitForCacheSync(request.Context()) {
			return fmt.Errorf("caches are not filled yet")
		}
		return nil
	}))
	return ctx, &operator.Operator{
		Manager:             manager,
		KubernetesInterface: kubernetes.NewForConfigOrDie(config),
		EventRecorder:       events.NewRecorder(manager.GetEventRecorderFor(operator.AppName)), //nolint:staticcheck // what events.Recorder takes
		Clock:               clock.RealClock{},
		InstanceTypeStore:   nodeoverlay.NewInstanceTypeStore(),
	}
}

// index adds the fields that Karpenter's controllers look objects up by.
func index(ctx context.Context, manager ctrl.Manager) {
	add := func(object client.Object, field string, value func(client.Object) string) {
		lo.Must0(manager.GetFieldIndexer().IndexField(ctx, object, field, func(found client.Object) []string {
			return []string{value(found)}
		}))
	}
	add(&corev1.Pod{}, "spec.nodeName", func(o client.Object) string { return o.(*corev1.Pod).Spec.NodeName })
	add(&corev1.Node{}, "spec.providerID", func(o client.Object) string { return o.(*corev1.Node).Spec.ProviderID })
	add(&storagev1.VolumeAttachment{}, "spec.nodeName",
		func(o client.Object) string { return o.(*storagev1.VolumeAttachment).Spec.NodeName })
	add(&v1.NodeClaim{}, "status.providerID", func(o client.Object) string { return o.(*v1.NodeClaim).Status.ProviderID })
	claimed := func(o client.Object) *v1.NodeClassReference { return o.(*v1.NodeClaim).Spec.NodeClassRef }
	pooled := func(o client.Object) *v1.NodeClassReference { return o.(*v1.NodePool).Spec.Template.Spec.NodeClassRef }
	add(&v1.NodeClaim{}, "spec.nodeClassRef.group", func(o client.Object) string { return claimed(o).Group })
	add(&v1.NodeClaim{}, "spec.nodeClassRef.kind", func(o client.Object) string { return claimed(o).Kind })
	add(&v1.NodeClaim{}, "spec.nodeClassRef.name", func(o client.Object) string { return claimed(o).Name })
	add(&v1.NodePool{}, "spec.template.spec.nodeClassRef.group", func(o client.Object) string { return pooled(o).Group })
	add(&v1.NodePool{}, "spec.template.spec.nodeClassRef.kind", func(o client.Object) string { return pooled(o).Kind })
	add(&v1.NodePool{}, "spec.template.spec.nodeClassRef.name", func(o client.Object) string { return pooled(o).Name })
}
