package main

import (
	"context"

	"github.com/awslabs/operatorpkg/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// EC2NodeClass is as much of the AWS provider's node class as Karpenter's core needs to know: that it is
// there, and that it is ready. Its fields are checked by its own CustomResourceDefinition.
type EC2NodeClass struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Status            EC2NodeClassStatus `json:"status,omitempty"`
}

// EC2NodeClassStatus is the part of the status that says whether nodes can be made.
type EC2NodeClassStatus struct {
	Conditions []status.Condition `json:"conditions,omitempty"`
}

// EC2NodeClassList is a list of them.
type EC2NodeClassList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EC2NodeClass `json:"items"`
}

func init() {
	version := schema.GroupVersion{Group: "karpenter.k8s.aws", Version: "v1"}
	metav1.AddToGroupVersion(scheme.Scheme, version)
	scheme.Scheme.AddKnownTypes(version, &EC2NodeClass{}, &EC2NodeClassList{})
}

// DeepCopyObject copies it.
func (in *EC2NodeClass) DeepCopyObject() runtime.Object {
	return &EC2NodeClass{
		TypeMeta:   in.TypeMeta,
		ObjectMeta: *in.ObjectMeta.DeepCopy(),
		Status:     EC2NodeClassStatus{Conditions: append([]status.Condition(nil), in.Status.Conditions...)},
	}
}

// DeepCopyObject copies it.
func (in *EC2NodeClassList) DeepCopyObject() runtime.Object {
	out := &EC2NodeClassList{TypeMeta: in.TypeMeta, ListMeta: *in.ListMeta.DeepCopy()}
	for index := range in.Items {
		out.Items = append(out.Items, *in.Items[index].DeepCopyObject().(*EC2NodeClass))
	}
	return out
}

// StatusConditions is how Karpenter reads whether it is ready.
func (in *EC2NodeClass) StatusConditions(options ...status.ForOption) status.ConditionSet {
	return status.NewReadyConditions().For(in, options...)
}

// GetConditions is part of status.Object.
func (in *EC2NodeClass) GetConditions() []status.Condition { return in.Status.Conditions }

// SetConditions is part of status.Object.
func (in *EC2NodeClass) SetConditions(conditions []status.Condition) {
	in.Status.Conditions = conditions
}

// nodeClassReadiness says of every EC2NodeClass that it is ready: there is no cloud in which its subnets,
// security groups and images would have to be found.
type nodeClassReadiness struct{ client client.Client }

// Register starts it.
func (r *nodeClassReadiness) Register(_ context.Context, manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).Named("nodeclass.readiness").For(&EC2NodeClass{}).Complete(r)
}

// Reconcile writes the condition once.
func (r *nodeClassReadiness) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	nodeClass := &EC2NodeClass{}
	if err := r.client.Get(ctx, request.NamespacedName, nodeClass); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if nodeClass.StatusConditions().Root().IsTrue() {
		return reconcile.Result{}, nil
	}
	before := nodeClass.DeepCopyObject().(*EC2NodeClass)
	nodeClass.StatusConditions().SetTrue(status.ConditionReady)
	return reconcile.Result{}, r.client.Status().Patch(ctx, nodeClass, client.MergeFrom(before))
}
