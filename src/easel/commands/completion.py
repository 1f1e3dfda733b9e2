"""`easel completion`: prints the script with which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class

_INSTALL = {
    "bash": 'eval "$(easel completion bash)"    # in ~/.bashrc',
    "zsh": 'eval "$(easel completion zsh)"    # in ~/.zshrc, after compinit',
    "fish": "easel completion fish > ~/.config/fish/completions/easel.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    For bash, write `eval "$(easel completion bash)"` into ~/.bashrc; for zsh, the same with zsh into ~/.zshrc. For
    fish, write the script to ~/.config/fish/completions/easel.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(f"# {_INSTALL[shell]}")
    script = kind(context.find_root().command, {}, "easel", "_EASEL_COMPLETE").source()
    # Click's script for fish cuts descriptions at their first comma.
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))
