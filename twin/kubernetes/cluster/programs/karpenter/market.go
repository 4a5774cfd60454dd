package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/awslabs/operatorpkg/status"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// market is kwok's cloud provider with instances that can be sold out.
type market struct {
	client client.Client
	file   capacityFile
	all    []*cloudprovider.InstanceType

	mutex    sync.Mutex
	provider *kwok.CloudProvider // sells what the capacity file leaves now
	selling  []*cloudprovider.InstanceType
}

func openMarket(ctx context.Context, kubernetes client.Client, set settings) (*market, error) {
	types, err := readCatalogue(ctx, set.catalogue)
	if err != nil {
		return nil, err
	}
	m := &market{client: kubernetes, file: capacityFile{path: set.capacity}, all: types}
	m.sell(ctx, capacity{})
	return m, nil
}

// now is the provider for what can be bought at this moment.
func (m *market) now(ctx context.Context) *kwok.CloudProvider {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	changed, now, err := m.file.read()
	if err != nil {
		log.FromContext(ctx).Error(err, "the capacity file cannot be read; what was sold goes on being sold")
	} else if changed {
		log.FromContext(ctx).Info("capacity changed", "soldOut", now.SoldOut)
		m.sell(ctx, now)
	}
	return m.provider
}

// sell replaces the instance types rather than changing them: Karpenter's keep what they once computed.
func (m *market) sell(ctx context.Context, now capacity) {
	types := make([]*cloudprovider.InstanceType, len(m.all))
	for index, instanceType := range m.all {
		offered := &cloudprovider.InstanceType{}
		instanceType.DeepCopyInto(offered)
		for _, offering := range offered.Offerings {
			offering.Available = !now.soldOut(offered.Name, offering.CapacityType(), offering.Zone())
		}
		types[index] = offered
	}
	m.selling = types
	m.provider = kwok.NewCloudProvider(ctx, machines{Client: m.client, types: types, boot: now.boot()}, types)
}

// Create buys an instance. Where nothing that the claim allows can be had it says so as EC2 does, which has
// Karpenter look for another pool.
func (m *market) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	provider := m.now(ctx)
	available := m.available(claim)
	if len(available) == 0 {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("nothing that %s allows can be had", claim.Name))
	}
	narrowed := claim.DeepCopy()
	for index, wanted := range narrowed.Spec.Requirements {
		if wanted.Key == corev1.LabelInstanceTypeStable {
			narrowed.Spec.Requirements[index].Values = available
		}
	}
	bought, err := provider.Create(ctx, narrowed)
	if err != nil {
		return nil, err
	}
	// kwok gives back what the pods asked for; limits count what the instance has.
	bought.Status.Capacity = m.capacityOf(bought.Labels[corev1.LabelInstanceTypeStable])
	return bought, nil
}

// available are the types that a claim names and that have an offering it allows.
func (m *market) available(claim *v1.NodeClaim) []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	requirements := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	var names []string
	for _, instanceType := range m.selling {
		if requirements.Get(corev1.LabelInstanceTypeStable).Has(instanceType.Name) &&
			instanceType.Offerings.Available().HasCompatible(requirements) {
			names = append(names, instanceType.Name)
		}
	}
	return names
}

func (m *market) capacityOf(name string) corev1.ResourceList {
	index := slices.IndexFunc(m.all, func(it *cloudprovider.InstanceType) bool { return it.Name == name })
	if index < 0 {
		return nil
	}
	return m.all[index].Capacity.DeepCopy()
}

// Delete is kwok's.
func (m *market) Delete(ctx context.Context, claim *v1.NodeClaim) error {
	return m.now(ctx).Delete(ctx, claim)
}

// Get is kwok's.
func (m *market) Get(ctx context.Context, id string) (*v1.NodeClaim, error) {
	return m.now(ctx).Get(ctx, id)
}

// List is kwok's.
func (m *market) List(ctx context.Context) ([]*v1.NodeClaim, error) { return m.now(ctx).List(ctx) }

// GetInstanceTypes gives every type, with what is sold out marked.
func (m *market) GetInstanceTypes(ctx context.Context, pool *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	return m.now(ctx).GetInstanceTypes(ctx, pool)
}

// IsDrifted says no: instances here do not drift.
func (m *market) IsDrifted(context.Context, *v1.NodeClaim) (cloudprovider.DriftReason, error) {
	return "", nil
}

// RepairPolicies are kwok's.
func (m *market) RepairPolicies() []cloudprovider.RepairPolicy { return m.provider.RepairPolicies() }

// Name of the provider.
func (m *market) Name() string { return "stagecraft" }

// GetSupportedNodeClasses names the class of the AWS provider, so that a stack's pools run here unchanged.
func (m *market) GetSupportedNodeClasses() []status.Object { return []status.Object{&EC2NodeClass{}} }

var _ cloudprovider.CloudProvider = &market{}
