"""`cloud`: the twin's cloud in the foreground, for other tools to look at."""

from cli.deploying import console_for, told_in_words
from cli.workspace import Workspace


def serve(workspace: Workspace) -> None:
    """Serves until Ctrl-C; prints what `aws` and boto3 need."""
    from twin.aws.cloud.client import cloud_environment
    from twin.aws.cloud.foreground import serve_foreground

    console = console_for(as_json=False)

    def ready(endpoint: str) -> None:
        console.print(
            f"[green]the twin's cloud of stack {workspace.stack}[/] at {endpoint}; Ctrl-C ends it\n"
        )
        for name, value in sorted(cloud_environment(endpoint, workspace.region).items()):
            console.print(f"export {name}={value}", markup=False, soft_wrap=True)
        console.print(f"\naws --endpoint-url {endpoint} s3 ls", markup=False, soft_wrap=True)

    with told_in_words(console):
        serve_foreground(workspace.files.cloud, workspace.region, ready)
