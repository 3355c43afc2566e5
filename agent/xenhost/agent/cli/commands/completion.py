"""xenhost completion"""

import click
from click.shell_completion import get_completion_class

from xenhost.agent.cli.failure import ExitCode, Failure


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes your shell complete commands, options and names of VMs, SRs and VDIs.

    \b
    bash:  xenhost completion bash > /etc/bash_completion.d/xenhost
    zsh:   xenhost completion zsh > "${fpath[1]}/_xenhost"
    fish:  xenhost completion fish > ~/.config/fish/completions/xenhost.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"there is no completion for {shell}", ExitCode.USAGE)
    try:
        click.echo(kind(ctx.find_root().command, {}, "xenhost", "_XENHOST_COMPLETE").source())
    except RuntimeError as error:  # click's own check of the version of bash
        raise Failure(str(error), ExitCode.FAILED) from None
