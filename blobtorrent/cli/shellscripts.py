"""Scripts that complete the words of `blobtorrent` in bash, zsh and fish, made of what the parser knows. Pure.

Torrents are asked for when they are needed: `blobtorrent completion torrents` prints a line for each, the shortest
beginning of its info-hash that names it, a tab, and its name.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from blobtorrent.cli.wordtree import Argument, Command, Kind

SHELLS = ("bash", "zsh", "fish")


def script_for(shell: str, commands: Sequence[Command]) -> str:
    return "\n".join(_WRITERS[shell](commands)) + "\n"


def _quoted(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


def _flags(command: Command) -> list[str]:
    return [flag for option in command.options for flag in option.flags]


# ---- bash

_BASH_HEAD = r"""# bash completion of blobtorrent: source it, or put it into
# ~/.local/share/bash-completion/completions/blobtorrent

_blobtorrent_where() {                 # the options of the line that say which daemon is meant
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --url|--token-file|--ca-file) printf '%s\n' "${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}" ;;
        esac
    done
}

_blobtorrent_torrents() {              # beginnings of hashes, and names
    local -a where
    local begin name
    mapfile -t where < <(_blobtorrent_where)
    while IFS=$'\t' read -r begin name; do
        [[ -n $1 && $begin != "$1"* ]] || COMPREPLY+=("$begin")
        [[ -z $1 || $name != "$1"* ]] || COMPREPLY+=("$(printf '%q' "$name")")
    done < <("${COMP_WORDS[0]}" completion torrents "${where[@]}" 2>/dev/null)
}

_blobtorrent_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$1" -- "$2")
}

_blobtorrent_words() {
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$2")
}

_blobtorrent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()"""


def _bash(commands: Sequence[Command]) -> Iterator[str]:
    yield _BASH_HEAD
    yield "    if ((COMP_CWORD == 1)); then"
    yield f"        _blobtorrent_words {_quoted([command.name for command in commands])} \"$word\""
    yield "        return"
    yield "    fi"
    yield "    case $command:$before in"
    for command in commands:
        for option in command.options:
            if option.argument is not None:
                patterns = "|".join(f"{command.name}:{flag}" for flag in option.flags)
                yield f"        {patterns}) {'; '.join(_bash_actions(option.argument)) or ':'}; return ;;"
    yield "    esac"
    yield "    if [[ $word == -* ]]; then"
    yield "        case $command in"
    for command in commands:
        yield f"            {command.name}) _blobtorrent_words {_quoted(_flags(command))} \"$word\" ;;"
    yield "        esac"
    yield "        return"
    yield "    fi"
    yield "    case $command in"
    for command in commands:
        actions = [action for argument in dict.fromkeys(command.arguments) for action in _bash_actions(argument)]
        if actions:
            yield f"        {command.name}) {'; '.join(actions)} ;;"
    yield "    esac"
    yield "}"
    yield ""
    yield "complete -F _blobtorrent blobtorrent"


def _bash_actions(argument: Argument) -> list[str]:
    if argument.kind is Kind.WORDS:
        return [f"_blobtorrent_words {_quoted(argument.words)} \"$word\""]
    return {
        Kind.TORRENT: ['_blobtorrent_torrents "$word"'],
        Kind.FILE: ['_blobtorrent_files -f "$word"'],
        Kind.FOLDER: ['_blobtorrent_files -d "$word"'],
    }.get(argument.kind, [])


# ---- zsh

_ZSH_HEAD = r"""#compdef blobtorrent
# zsh completion of blobtorrent: put it into a folder of $fpath as _blobtorrent

_blobtorrent_torrents() {
    local -a where torrents
    local i begin name
    for ((i = 2; i < CURRENT; i++)); do
        case ${words[i]} in
            --url|--token-file|--ca-file) where+=("${words[i]}" "${(Q)words[i + 1]}") ;;
        esac
    done
    while IFS=$'\t' read -r begin name; do
        torrents+=("$begin:$name")
    done < <(blobtorrent completion torrents "${where[@]}" 2>/dev/null)
    _describe -t torrents torrent torrents
}

_blobtorrent() {
    if ((CURRENT == 2)); then
        local -a commands=("""


def _zsh(commands: Sequence[Command]) -> Iterator[str]:
    yield _ZSH_HEAD
    for command in commands:
        yield f"            {shlex.quote(f'{command.name}:{command.help}')}"
    yield "        )"
    yield "        _describe -t commands command commands"
    yield "        return"
    yield "    fi"
    yield "    local command=${words[2]}"
    yield "    shift words"
    yield "    ((CURRENT--))"
    yield "    case $command in"
    for command in commands:
        yield f"        {command.name}) _arguments \\"
        for option in command.options:
            for flag in option.flags:
                text = f"*{flag}[{_zsh_text(option.help)}]"
                if option.argument is not None:
                    text += f":value:{_zsh_action(option.argument)}"
                yield f"            {shlex.quote(text)} \\"
        for argument in dict.fromkeys(command.arguments):
            yield f"            {shlex.quote(f'*:argument:{_zsh_action(argument)}')} \\"
            break
        yield "            ;;"
    yield "    esac"
    yield "}"
    yield ""
    yield '_blobtorrent "$@"'


def _zsh_action(argument: Argument) -> str:
    if argument.kind is Kind.WORDS:
        return f"({' '.join(argument.words)})"
    return {
        Kind.TORRENT: "_blobtorrent_torrents", Kind.FILE: "_files", Kind.FOLDER: "_files -/",
    }.get(argument.kind, " ")


def _zsh_text(text: str) -> str:
    return "".join(f"\\{character}" if character in "[]:\\" else character for character in text)


# ---- fish

_FISH_HEAD = r"""# fish completion of blobtorrent: put it into ~/.config/fish/completions/blobtorrent.fish

function __blobtorrent_torrents
    set -l words (commandline -opc)
    set -l where
    for i in (seq (count $words))
        if contains -- $words[$i] --url --token-file --ca-file
            set -a where $words[$i] $words[(math $i + 1)]
        end
    end
    blobtorrent completion torrents $where 2>/dev/null
end

complete -c blobtorrent -f"""


def _fish(commands: Sequence[Command]) -> Iterator[str]:
    yield _FISH_HEAD
    for command in commands:
        yield f"complete -c blobtorrent -n __fish_use_subcommand -a {command.name} -d {_fish_text(command.help)}"
    for command in commands:
        head = f"complete -c blobtorrent -n '__fish_seen_subcommand_from {command.name}'"
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            takes = "" if option.argument is None else f" -r {_fish_action(option.argument)}"
            yield f"{head} {flags}{takes} -d {_fish_text(option.help)}"
        for argument in dict.fromkeys(command.arguments):
            yield f"{head} {_fish_action(argument)}"


def _fish_action(argument: Argument) -> str:
    """What is offered; -f: no files."""
    if argument.kind is Kind.WORDS:
        return f"-f -a {_fish_text(' '.join(argument.words))}"
    return {
        Kind.TORRENT: "-f -a '(__blobtorrent_torrents)'",
        Kind.FILE: "-F",
        Kind.FOLDER: "-f -a '(__fish_complete_directories)'",
    }.get(argument.kind, "-f")


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_WRITERS: Mapping[str, Callable[[Sequence[Command]], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
