"""What a program of the tests imports: the toy provider's resources. Copied beside each test's program."""

from typing import Any

import pulumi


class Thing(pulumi.CustomResource):
    made: pulumi.Output[str]
    echo: pulumi.Output[Any]

    def __init__(self, name: str, /, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy:index:Thing", name, {"made": None, "echo": None, **props}, opts)


class Other(pulumi.CustomResource):
    """A Thing by another type."""

    made: pulumi.Output[str]

    def __init__(self, name: str, /, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy:index:Other", name, {"made": None, "echo": None, **props}, opts)


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, /, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy:index:Group", name, props or None, opts)


class Provider(pulumi.ProviderResource):
    def __init__(self, name: str, /, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy", name, props, opts)


def ask(opts: pulumi.InvokeOptions | None = None, **args: Any) -> Any:
    return pulumi.runtime.invoke("toy:index:ask", args, opts).value


def options(**named: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(**named)
