# The first word is the root of the file tree, `/` on a machine; then the mechanism and its words.
main() {
    [ $# -ge 3 ] || usage 'too few'
    root=${1%/}
    mechanism=$2
    state=$root/run/sagetop
    shift 2
    case $mechanism in
    resctrl | htb | cgroup | operation | probe) "$mechanism" "$@" ;;
    *) usage mechanism ;;
    esac
}
main "$@" </dev/null
exit $?
