import 'reflect-metadata';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  Get,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Req,
} from '@nestjs/common';
import { BaseExceptionFilter, NestFactory } from '@nestjs/core';
import type { Request } from 'express';
import { StackAuthError } from 'stack-auth-native';
import { authErrorHandler, getAuth, requireUser } from 'stack-auth-native/express';

@Controller('api')
class ApiController {
  @Get('me')
  me(@Req() request: Request) {
    const { userId, payload } = getAuth(request);
    return { id: userId, email: payload.email };
  }
}

@Module({ controllers: [ApiController] })
class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer) {
    consumer.apply(requireUser()).forRoutes(ApiController);
  }
}

// Without it, Nest answers 500 whatever the error's status is; an error handler of Express is not asked.
@Catch(StackAuthError)
class StackAuthFilter extends BaseExceptionFilter {
  readonly #answer = authErrorHandler();

  override catch(error: StackAuthError, host: ArgumentsHost) {
    const http = host.switchToHttp();
    this.#answer(error, http.getRequest(), http.getResponse(), () => super.catch(error, host));
  }
}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useGlobalFilters(new StackAuthFilter(app.getHttpAdapter()));
await app.listen(process.env.PORT ?? 3000);
export const server = app.getHttpServer();
