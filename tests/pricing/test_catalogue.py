"""The instance catalogue's queries."""

from decimal import Decimal

from pricing import catalogue, instances


def test_cheapest_first_within_the_conditions() -> None:
    found = instances(region="us-east-1", accelerator="h100", min_accelerators=8)
    assert [item.name for item in found] == ["p5.48xlarge"]
    h100 = found[0]
    assert (h100.vcpu, h100.gpus, h100.accelerator_memory_mib, h100.efa) == (192, 8, 81920, True)
    assert (h100.family, h100.size, h100.category, h100.generation) == ("p5", "48xlarge", "p", 5)
    assert h100.hourly == Decimal("55.04")


def test_a_family_means_only_itself() -> None:
    assert {item.family for item in instances(region="us-east-1", families=["p5"])} == {"p5"}
    assert {item.family for item in instances(region="us-east-1", families=["m7i"])} == {"m7i"}


def test_only_what_the_region_offers() -> None:
    assert instances(region="us-west-2", names=["p5.48xlarge"])
    assert instances(region="eu-west-1", names=["p5.48xlarge"]) == ()
    assert instances(region="sa-east-1") == ()


def test_neuron_devices_are_no_gpus() -> None:
    (trainium,) = instances(region="us-east-1", names=["trn1.32xlarge"])
    assert (trainium.neuron_devices, trainium.gpus, trainium.accelerator) == (16, 0, "Trainium")
    kinds = {item.family for item in instances(region="us-east-1", accelerator_kind="neuron")}
    assert kinds >= {"inf2", "trn1"}
    assert not any(item.accelerators for item in instances(region="us-east-1", accelerator_kind="none"))


def test_by_architecture_size_memory_and_efa() -> None:
    found = instances(
        region="eu-central-1",
        architecture="arm64",
        categories=["m"],
        min_vcpu=4,
        max_vcpu=8,
        min_memory_mib=32768,
    )
    assert found
    for item in found:
        assert item.architecture == "arm64"
        assert item.category == "m"
        assert 4 <= item.vcpu <= 8
        assert item.memory_mib >= 32768
        assert not item.bare_metal
    assert list(found) == sorted(found, key=lambda item: (item.hourly, item.name))
    assert all(item.efa for item in instances(region="us-east-1", efa=True))
    assert all(item.bare_metal for item in instances(region="us-east-1", bare_metal=True))


def test_families_without_a_number_have_no_generation() -> None:
    high_memory = catalogue("us-east-1")["u-3tb1.56xlarge"]
    assert (high_memory.category, high_memory.generation) == ("u", None)
