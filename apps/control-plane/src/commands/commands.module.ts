import { Module } from '@nestjs/common';
import { AuditFileService } from '../audit/audit-file.service.js';
import {
  AccountCommand,
  AccountDisableCommand,
  AccountEnableCommand,
  AccountErasuresCommand,
  AccountListCommand,
} from './account.command.js';
import { AdminRepository } from './admin.repository.js';
import { AuditCommand, AuditVerifyCommand, AuditVerifyFileCommand } from './audit.command.js';
import { GrantCommand, LimitsCommand } from './balance.command.js';
import { COMMANDS_CONFIG, type CommandsConfig, readCommandsConfig, readKeyPepperVersion } from './config.js';
import { KeysCommand, KeysReprojectCommand } from './keys.command.js';
import { OperatorCommand, OperatorCreateCommand, OperatorListCommand, OperatorRemoveCommand } from './operator.command.js';
import { PepperCommand, PepperRotateCommand, PepperStatusCommand } from './pepper.command.js';
import { PlanCommand, PlanSetCommand } from './plan.command.js';
import { UserCommand, UserDisableCommand, UserEnableCommand } from './user.command.js';

/** `npm run admin -- …`: what the API must not offer. */
@Module({
  providers: [
    {
      provide: COMMANDS_CONFIG,
      // Read when first used: help and the verification of a file need no installation.
      useFactory: (): CommandsConfig => ({
        get ownerDatabaseUrl() {
          return readCommandsConfig().ownerDatabaseUrl;
        },
        get keyPepperVersion() {
          return readKeyPepperVersion();
        },
      }),
    },
    AdminRepository,
    AuditFileService,
    OperatorCommand,
    OperatorCreateCommand,
    OperatorRemoveCommand,
    OperatorListCommand,
    AccountCommand,
    AccountListCommand,
    AccountErasuresCommand,
    AccountDisableCommand,
    AccountEnableCommand,
    PlanCommand,
    PlanSetCommand,
    KeysCommand,
    KeysReprojectCommand,
    PepperCommand,
    PepperRotateCommand,
    PepperStatusCommand,
    GrantCommand,
    LimitsCommand,
    AuditCommand,
    AuditVerifyCommand,
    AuditVerifyFileCommand,
    UserCommand,
    UserDisableCommand,
    UserEnableCommand,
  ],
})
export class CommandsModule {}
