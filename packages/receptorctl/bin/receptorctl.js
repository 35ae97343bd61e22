#!/usr/bin/env node
void require('../program/cli.js').main();
