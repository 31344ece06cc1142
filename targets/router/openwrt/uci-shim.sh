# Test support: `uci` over a file of lines as `uci show` prints them, $UCI. What is committed goes to standard output.

uci() { # -q get|set|delete|show|commit what
	local key="${3%%=*}" value="${3#*=}" old lines=""
	case "$2" in
	get)
		while read -r old; do
			[ "${old%%=*}" != "$key" ] || { value="${old#*=\'}"; value="${value#*=}"; echo "${value%\'}"; return 0; }
		done <"$UCI"
		return 1
		;;
	set | delete)
		while read -r old; do
			case "$2 $old" in
			"$2 $key="*) ;;
			"delete $key."*) ;;
			*) lines="$lines$old
" ;;
			esac
		done <"$UCI"
		[ "$2" = delete ] || lines="$lines$key='$value'
"
		printf '%s' "$lines" >"$UCI"
		;;
	show) grep "^$3\." "$UCI" ;;
	commit) grep "^$3\." "$UCI" ;;
	esac
}
