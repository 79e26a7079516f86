# bash completion for planish-mpi(1): planish's, and two options more.  -*- shell-script -*-
. "${BASH_SOURCE[0]%/*}/planish.bash"
_planish_mpi()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD-1]} in
        --status | --trace)
            compopt -o filenames
            COMPREPLY=($(compgen -f -- "$cur"))
            return ;;
    esac
    _planish
    if [[ $cur == -* ]]; then COMPREPLY+=($(compgen -W '--status --trace' -- "$cur")); fi
}
complete -F _planish_mpi planish-mpi
