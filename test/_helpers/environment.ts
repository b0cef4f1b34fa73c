// CloudFormation validation is most of a synth (style.md, section 0); one test of its own switches it on.
process.env['CDK_VALIDATION'] ??= 'false';
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
