package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/kwok/apis/v1alpha1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
)

// machines is the client that kwok's provider makes its nodes with. It answers for the node class that this
// provider asks for, which the cluster does not have, and gives nodes the capacity of their type.
type machines struct {
	client.Client
	types []*cloudprovider.InstanceType
	boot  time.Duration
}

// Get answers for kwok's node class.
func (c machines) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	nodeClass, wanted := into.(*v1alpha1.KWOKNodeClass)
	if !wanted {
		return c.Client.Get(ctx, key, into, options...)
	}
	nodeClass.Name = key.Name
	nodeClass.Spec.NodeRegistrationDelay.Duration = c.boot
	nodeClass.StatusConditions().SetTrue("Ready")
	return nil
}

// Create completes a node.
func (c machines) Create(ctx context.Context, made client.Object, options ...client.CreateOption) error {
	if node, is := made.(*corev1.Node); is {
		for _, instanceType := range c.types {
			if instanceType.Name == node.Labels[corev1.LabelInstanceTypeStable] {
				node.Status.Capacity = instanceType.Capacity.DeepCopy()
				node.Status.Allocatable = instanceType.Allocatable().DeepCopy()
			}
		}
	}
	return c.Client.Create(ctx, made, options...)
}
