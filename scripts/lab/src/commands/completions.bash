
# Completes the value of --app for PROGRAM: the kinds, then the keys of the kind, then the values of a key. Returns 1
# for any other word.
_FUNCTION_app() {
    # COMP_WORDS is split at : and =, so the word and the flag before it are taken from the line.
    local line=${COMP_LINE:0:COMP_POINT}
    local word=${line##*[[:space:]]}
    local before=${line%"$word"}
    read -r -a before <<<"$before"
    local value=${word#[\"\']} flag=
    case $value in
    --app=*) flag=--app= value=${value#--app=} ;;
    *) [[ ${#before[@]} -gt 0 && ${before[${#before[@]} - 1]} == --app ]] || return 1 ;;
    esac

    local kind=${value%%:*} given= last= names= behind= name
    case $value in
    *:*)
        last=${value#"$kind":}
        last=${last##*,}
        given=${value%"$last"}
        case $kind in
KEYS
        *) return 1 ;;
        esac
        case $last in
VALUES
        *=*) return 1 ;;
        *) behind='=' ;;
        esac
        ;;
    *)
        last=$value
        names="KINDS"
        ;;
    esac

    # bash replaces only the part of the word behind the last : or =, which it passes as $2.
    local kept=${word%"$2"}
    COMPREPLY=()
    for name in $names; do
        [[ $name == "$last"* && $given != *[:,]$name=* ]] || continue
        local whole=$flag$given$name$behind
        COMPREPLY+=("${whole#"$kept"}")
    done
    # A key follows a kind, and a value or a key follows this.
    compopt -o nospace 2>/dev/null
    ((${#COMPREPLY[@]}))
}

_FUNCTION_with_app() {
    _FUNCTION_app "$@" || _FUNCTION "$@"
}

complete -F _FUNCTION_with_app -o bashdefault -o default PROGRAM
