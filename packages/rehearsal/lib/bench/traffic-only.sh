#!/bin/sh
# What a careful team writes for the night: the same parameter, the same look, the same one call, over the AWS CLI.
# shellcheck disable=SC2086 # one word each: the CLI and its endpoint, a rule and its priority.
set -eu
# the variable is the sandbox's: the CLI of Debian 12 (2.9) does not read it yet.
aws="$1${AWS_ENDPOINT_URL:+ --endpoint-url $AWS_ENDPOINT_URL}" system=$2
parameter=$($aws ssm get-parameter --name "/switchback/$system/emergency" --query Parameter.Value --output text)
listener=$(printf %s "$parameter" | sed 's/.*"listeners":\[{"arn":"\([^"]*\)".*/\1/')
prefix=$(printf %s "$listener" | sed 's/:listener\//:listener-rule\//')
now=$($aws elbv2 describe-rules --listener-arn "$listener" --query 'Rules[].[RuleArn,Priority]' --output text)
moves=$(printf %s "$parameter" | sed 's/.*"rules":\[\([^]]*\)\].*/\1/' | tr ',' '\n' | tr -d '"' |
  awk -v prefix="$prefix" -v now="$now" '
    BEGIN { count = split(now, line, "\n"); for (i = 1; i <= count; i++) { split(line[i], part, "\t"); at[part[1]] = part[2] } }
    { rule = prefix $1; if (rule in at && at[rule] != $2) printf "RuleArn=%s,Priority=%s ", rule, $2 }')
$aws elbv2 set-rule-priorities --rule-priorities $moves >/dev/null
